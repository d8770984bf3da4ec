package receiver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// The spans of a webhook: one of the request, below it one of its message, which the
// consumer goes on from, and one of the call to SQS that took it along. Names are those
// of OpenTelemetry's conventions, and docs/telemetry.md lists them.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/

// tracing puts spans around what is sent to a queue, or nothing if it is off.
type tracing struct {
	*telemetry.Tracing // may be nil

	queue string // its name
}

// requests returns what is put around the handler to make a span of each request, or nil.
// What became of the request the observer adds.
func (t tracing) requests() func(http.Handler) http.Handler {
	if t.Tracing == nil {
		return nil
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, attributes := describe(r)
			ctx := telemetry.WithTraceParent(r.Context(), r.Header.Get("Traceparent"))
			ctx, span := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
			defer span.End()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

func (t tracing) messages(queue webhook.Enqueuer) webhook.Enqueuer {
	if t.Tracing == nil {
		return queue
	}
	return tracedQueue{queue, t}
}

func (t tracing) batches(client sqsqueue.Client) sqsqueue.Client {
	if t.Tracing == nil {
		return client
	}
	return tracedBatches{client, t}
}

// describe keeps what a client makes up out of names.
func describe(r *http.Request) (name string, attributes []attribute.KeyValue) {
	name, method := r.Method, semconv.HTTPRequestMethodKey.String(r.Method)
	if !slices.Contains(methods, r.Method) {
		name, method = "HTTP", semconv.HTTPRequestMethodOther
	}
	attributes = []attribute.KeyValue{method, semconv.URLScheme("http")}
	if r.URL.Path == webhook.Path {
		name += " " + webhook.Path
		attributes = append(attributes, semconv.HTTPRoute(webhook.Path))
	}
	return name, attributes
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// answered tells the request's span what became of it.
func answered(ctx context.Context, report webhook.RequestResult) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		semconv.HTTPResponseStatusCode(report.Status),
		semconv.HTTPRequestBodySize(int(report.Bytes)),
		attribute.String("billable.event_type", report.EventLabel()),
		attribute.String("billable.event_id", truncated(report.EventID)),
		attribute.String("billable.invoice_id", truncated(report.InvoiceID)),
	)
	if report.Status >= http.StatusInternalServerError {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(report.Status)))
		span.SetStatus(codes.Error, "")
	}
}

// tracedQueue is a webhook.Enqueuer that makes a span of each message, from when it is
// handed over until SQS has it. The message carries the span's place in its trace.
type tracedQueue struct {
	webhook.Enqueuer

	tracing tracing
}

// Send implements webhook.Enqueuer.
func (q tracedQueue) Send(ctx context.Context, message queue.Message) (id string, err error) {
	ctx, span := q.tracing.Start(ctx, "create "+q.tracing.queue, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		semconv.MessagingSystemAWSSQS,
		semconv.MessagingDestinationName(q.tracing.queue),
		semconv.MessagingOperationName("create"),
		semconv.MessagingOperationTypeCreate,
		semconv.MessagingMessageBodySize(len(message.Body)),
	))
	defer span.End()
	message.Attributes[queue.AttributeTraceParent] = telemetry.TraceParent(ctx)
	id, err = q.Enqueuer.Send(ctx, message)
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(whyNotQueued(err)))
		span.SetStatus(codes.Error, "")
		return id, err
	}
	span.SetAttributes(semconv.MessagingMessageID(id))
	return id, nil
}

func whyNotQueued(err error) string {
	switch {
	case errors.Is(err, sqsqueue.ErrRefused):
		return "refused"
	case errors.Is(err, sqsqueue.ErrClosed):
		return "closed"
	default:
		return "unavailable"
	}
}

// tracedBatches is a sqsqueue.Client that makes a span of each batch. A batch has many
// senders: its span is the child of one, and has links to the others.
type tracedBatches struct {
	sqsqueue.Client

	tracing tracing
}

// SendMessageBatch implements sqsqueue.Client.
func (b tracedBatches) SendMessageBatch(ctx context.Context, input *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	parent, others := creators(input.Entries)
	if !parent.IsValid() { // the batch of messages without a trace starts none
		return b.Client.SendMessageBatch(ctx, input, options...)
	}
	ctx, span := b.tracing.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "send "+b.tracing.queue,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(others...), trace.WithAttributes(
			semconv.MessagingSystemAWSSQS,
			semconv.MessagingDestinationName(b.tracing.queue),
			semconv.MessagingOperationName("SendMessageBatch"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingBatchMessageCount(len(input.Entries)),
		))
	defer span.End()
	output, err := b.Client.SendMessageBatch(ctx, input, options...)
	switch {
	case err != nil:
		span.SetAttributes(semconv.ErrorTypeKey.String(awsclient.ErrorType(err)))
		span.SetStatus(codes.Error, "")
	case len(output.Failed) > 0:
		span.SetAttributes(semconv.ErrorTypeKey.String(aws.ToString(output.Failed[0].Code)))
		span.SetStatus(codes.Error, "")
	}
	return output, err
}

// creators are the spans of a batch's messages: one that is the batch's parent, the first
// that is recorded, and links to the others.
func creators(entries []types.SendMessageBatchRequestEntry) (parent trace.SpanContext, others []trace.Link) {
	for _, entry := range entries {
		carried := aws.ToString(entry.MessageAttributes[queue.AttributeTraceParent].StringValue)
		creator := trace.SpanContextFromContext(telemetry.WithTraceParent(context.Background(), carried))
		switch {
		case !creator.IsSampled():
		case !parent.IsValid():
			parent = creator
		default:
			others = append(others, trace.Link{SpanContext: creator})
		}
	}
	return parent, others
}
