package consumer

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/worker"
)

// The spans of a message: one of each handling, in the webhook's trace, and below it one
// of each call to DynamoDB (awsclient.Trace) and to Chargebee. Names are those of
// OpenTelemetry's conventions, and docs/telemetry.md lists them.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/

// traced puts spans around a handler, or nothing if tracing is off.
func traced(handler worker.Handler, tracing *telemetry.Tracing, queue string) worker.Handler {
	if tracing == nil {
		return handler
	}
	return tracedHandler{handler, tracing, queue}
}

// tracedHandler is a worker.Handler that makes a span of each handling.
type tracedHandler struct {
	worker.Handler

	tracer trace.Tracer
	queue  string // its name
}

// Handle implements worker.Handler.
func (h tracedHandler) Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
	ctx = telemetry.WithTraceParent(ctx, delivery.Attributes[queue.AttributeTraceParent])
	ctx, span := h.tracer.Start(ctx, "process "+h.queue,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(creator(ctx)...), trace.WithAttributes(
			semconv.MessagingSystemAWSSQS,
			semconv.MessagingDestinationName(h.queue),
			semconv.MessagingOperationName("process"),
			semconv.MessagingOperationTypeProcess,
			semconv.MessagingMessageID(delivery.ID),
			semconv.MessagingMessageBodySize(len(delivery.Body)),
			attribute.Int("billable.receive_count", delivery.ReceiveCount),
		))
	defer span.End()
	return h.Handler.Handle(ctx, delivery)
}

// creator is a link to the span that the message was created in, which is also the parent.
func creator(ctx context.Context) []trace.Link {
	created := trace.SpanContextFromContext(ctx)
	if !created.IsValid() {
		return nil
	}
	return []trace.Link{{SpanContext: created}}
}

// handled tells the handling's span how it ended. Why it failed stands in the line of the
// log that has the span's ids.
func handled(ctx context.Context, report settlement.Report) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("billable.event_id", report.EventID),
		attribute.String("billable.invoice_id", report.InvoiceID),
		attribute.String("billable.verdict", report.Outcome.Action.String()),
		attribute.String("billable.outcome", outcome(report)),
		attribute.String("billable.state", string(report.State)),
		attribute.Int("billable.events", report.Events),
		attribute.Int("billable.lines", report.Lines),
	)
	if report.Reason != "" {
		span.SetAttributes(attribute.String("billable.reason", string(report.Reason)))
	}
	if report.Err != nil {
		span.SetAttributes(semconv.ErrorTypeOther)
		span.SetStatus(codes.Error, "")
	}
}

// tracedCall makes a span of a call to Chargebee that is over. Chargebee is sent no trace
// context, so nobody needs the span before.
func tracedCall(ctx context.Context, tracer trace.Tracer, observation chargebeeapi.Observation) {
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
		span.SetAttributes(semconv.ErrorTypeKey.String(observation.Kind))
		span.SetStatus(codes.Error, "")
	}
}
