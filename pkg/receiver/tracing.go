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
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// tracing makes the spans of webhooks. Each span is the parent of the next one:
//
//	POST /webhooks/chargebee   the request
//	create QUEUE               its message; also the parent of the consumer's span
//	send QUEUE                 the call to SQS, with links to the other messages of the batch
//
// docs/telemetry.md lists the names, which are those of OpenTelemetry's conventions.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
type tracing struct {
	*telemetry.Tracing // nil: no spans

	queueName string
}

// middleware returns a middleware that makes a span of each request; nil without tracing. The observer adds
// the result to the span.
func (t tracing) middleware() func(http.Handler) http.Handler {
	if t.Tracing == nil {
		return nil
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, attributes := describeRequest(r)
			ctx := telemetry.WithTraceParent(r.Context(), r.Header.Get("Traceparent"))
			ctx, span := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
			defer span.End()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

func (t tracing) traceMessages(enqueuer webhook.Enqueuer) webhook.Enqueuer {
	if t.Tracing == nil {
		return enqueuer
	}
	return tracedQueue{enqueuer, t}
}

func (t tracing) traceBatches(client sqsqueue.Client) sqsqueue.Client {
	if t.Tracing == nil {
		return client
	}
	return tracedBatches{client, t}
}

// describeRequest returns the name and attributes of a request's span. They contain no text that a client can
// choose.
func describeRequest(r *http.Request) (name string, attributes []attribute.KeyValue) {
	name, method := r.Method, semconv.HTTPRequestMethodKey.String(r.Method)
	if !slices.Contains(knownMethods, r.Method) {
		name, method = "HTTP", semconv.HTTPRequestMethodOther
	}
	attributes = []attribute.KeyValue{method, semconv.URLScheme("http")}
	if r.URL.Path == webhook.Path {
		name += " " + webhook.Path
		attributes = append(attributes, semconv.HTTPRoute(webhook.Path))
	}
	return name, attributes
}

var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

func recordSpan(ctx context.Context, result webhook.RequestResult) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		semconv.HTTPResponseStatusCode(result.Status),
		semconv.HTTPRequestBodySize(int(result.Bytes)),
		attribute.String("billable.event_type", result.EventLabel()),
		attribute.String("billable.event_id", truncated(result.EventID)),
		attribute.String("billable.invoice_id", truncated(result.InvoiceID)),
	)
	if result.Status >= http.StatusInternalServerError {
		telemetry.SetSpanError(span, strconv.Itoa(result.Status))
	}
}

// tracedQueue is a webhook.Enqueuer that makes a span of each Send. The message carries the
// trace context of the span.
type tracedQueue struct {
	webhook.Enqueuer

	tracing tracing
}

func (q tracedQueue) Send(ctx context.Context, message queue.Message) (id string, err error) {
	ctx, span := q.tracing.Start(ctx, "create "+q.tracing.queueName, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		semconv.MessagingSystemAWSSQS,
		semconv.MessagingDestinationName(q.tracing.queueName),
		semconv.MessagingOperationName("create"),
		semconv.MessagingOperationTypeCreate,
		semconv.MessagingMessageBodySize(len(message.Body)),
	))
	defer span.End()
	message.Attributes[queue.AttributeTraceParent] = telemetry.TraceParent(ctx)
	id, err = q.Enqueuer.Send(ctx, message)
	if err != nil {
		telemetry.SetSpanError(span, enqueueErrorType(err))
		return id, err
	}
	span.SetAttributes(semconv.MessagingMessageID(id))
	return id, nil
}

// enqueueErrorType returns the attribute error.type for an error of Send.
func enqueueErrorType(err error) string {
	switch {
	case errors.Is(err, sqsqueue.ErrRefused):
		return "refused"
	case errors.Is(err, sqsqueue.ErrClosed):
		return "closed"
	default:
		return "unavailable"
	}
}

// tracedBatches is a sqsqueue.Client that makes a span of each batch that has a sampled message.
type tracedBatches struct {
	sqsqueue.Client

	tracing tracing
}

func (b tracedBatches) SendMessageBatch(ctx context.Context, input *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	parent, others := messageSpans(input.Entries)
	if !parent.IsValid() { // no message has a sampled span
		return b.Client.SendMessageBatch(ctx, input, options...)
	}
	ctx, span := b.tracing.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "send "+b.tracing.queueName,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(others...), trace.WithAttributes(
			semconv.MessagingSystemAWSSQS,
			semconv.MessagingDestinationName(b.tracing.queueName),
			semconv.MessagingOperationName("SendMessageBatch"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingBatchMessageCount(len(input.Entries)),
		))
	defer span.End()
	output, err := b.Client.SendMessageBatch(ctx, input, options...)
	switch {
	case err != nil:
		telemetry.SetSpanError(span, awsclient.ErrorType(err))
	case len(output.Failed) > 0:
		telemetry.SetSpanError(span, aws.ToString(output.Failed[0].Code))
	}
	return output, err
}

// messageSpans returns the sampled spans of a batch's messages: the first one as the parent of the batch's span,
// and links to the others.
func messageSpans(entries []types.SendMessageBatchRequestEntry) (parent trace.SpanContext, others []trace.Link) {
	for _, entry := range entries {
		traceParent := aws.ToString(entry.MessageAttributes[queue.AttributeTraceParent].StringValue)
		messageSpan := trace.SpanContextFromContext(telemetry.WithTraceParent(context.Background(), traceParent))
		switch {
		case !messageSpan.IsSampled():
		case !parent.IsValid():
			parent = messageSpan
		default:
			others = append(others, trace.Link{SpanContext: messageSpan})
		}
	}
	return parent, others
}
