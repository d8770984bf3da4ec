package consumer

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/worker"
)

// The spans of a message: one per session, in the trace of the webhook, with one child per call to
// DynamoDB (awsclient.Trace) and to Chargebee. The names follow the conventions of OpenTelemetry.
// docs/telemetry.md lists them.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/

// traced adds spans to a handler, if tracing is on.
func traced(handler worker.Handler, tracing *telemetry.Tracing, queueName string) worker.Handler {
	if tracing == nil {
		return handler
	}
	return tracedHandler{handler, tracing, queueName}
}

// tracedHandler is a worker.Handler that records a span per session.
type tracedHandler struct {
	worker.Handler

	tracer    trace.Tracer
	queueName string
}

func (h tracedHandler) Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
	ctx = telemetry.WithTraceParent(ctx, delivery.Attributes[queue.AttributeTraceParent])
	ctx, span := h.tracer.Start(ctx, "process "+h.queueName,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(creatorLinks(ctx)...), trace.WithAttributes(
			semconv.MessagingSystemAWSSQS,
			semconv.MessagingDestinationName(h.queueName),
			semconv.MessagingOperationName("process"),
			semconv.MessagingOperationTypeProcess,
			semconv.MessagingMessageID(delivery.ID),
			semconv.MessagingMessageBodySize(len(delivery.Body)),
			attribute.Int("billable.receive_count", delivery.ReceiveCount),
		))
	defer span.End()
	return h.Handler.Handle(ctx, delivery)
}

// creatorLinks returns a link to the span in which the message was created, which is also the parent.
func creatorLinks(ctx context.Context) []trace.Link {
	created := trace.SpanContextFromContext(ctx)
	if !created.IsValid() {
		return nil
	}
	return []trace.Link{{SpanContext: created}}
}

// setSessionAttributes adds the result of a session to its span. The text of an error is in the log only.
func setSessionAttributes(ctx context.Context, report settlement.Report) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("billable.event_id", report.EventID),
		attribute.String("billable.invoice_id", report.InvoiceID),
		attribute.String("billable.verdict", report.Outcome.Action.String()),
		attribute.String("billable.outcome", outcomeLabel(report)),
		attribute.String("billable.state", string(report.State)),
		attribute.Int("billable.events", report.Events),
		attribute.Int("billable.lines", report.Lines),
	)
	if report.Reason != "" {
		span.SetAttributes(attribute.String("billable.reason", string(report.Reason)))
	}
	if report.Err != nil {
		telemetry.SetSpanError(span, semconv.ErrorTypeOther.Value.AsString())
	}
}

// recordCallSpan records the span of a call to Chargebee after its end: Chargebee receives no trace
// context, so the span is not needed before.
func recordCallSpan(ctx context.Context, tracer trace.Tracer, observation chargebeeapi.Observation) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	ended := time.Now()
	_, span := tracer.Start(ctx, "Chargebee."+observation.Operation,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(ended.Add(-observation.Duration)), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(observation.Method),
			semconv.ServerAddress(observation.Host),
			attribute.String("billable.chargebee.kind", observation.Kind),
		))
	defer span.End(trace.WithTimestamp(ended))
	if observation.Status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(observation.Status))
	}
	if observation.Kind != "ok" {
		telemetry.SetSpanError(span, observation.Kind)
	}
}
