package receiver

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// recorded is tracing whose spans the test gets.
func recorded() (tracing, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	return tracing{&telemetry.Tracing{Tracer: provider.Tracer("")}, "events"}, spans
}

// fakeQueue is an Enqueuer and a Client.
type fakeQueue struct {
	sqsqueue.Client

	err    error
	failed []types.BatchResultErrorEntry
	sent   queue.Message
}

func (q *fakeQueue) Send(_ context.Context, message queue.Message) (string, error) {
	q.sent = message
	return "message_1", q.err
}

func (q *fakeQueue) SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	return &sqs.SendMessageBatchOutput{Failed: q.failed}, q.err
}

func TestTracing_DisabledWrapsNothing(t *testing.T) {
	t.Parallel()
	off, service := tracing{queueName: "events"}, &fakeQueue{}
	if off.traceMessages(service) != webhook.Enqueuer(service) || off.traceBatches(service) != sqsqueue.Client(service) || off.middleware() != nil {
		t.Error("something is put around what is not traced")
	}
}

// Span names contain no text of the client, and a 5xx is an error of the span.
func TestTracing_RequestSpans(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, path string
		status       int
		name         string
		code         codes.Code
	}{
		{http.MethodPost, webhook.Path, http.StatusOK, "POST /webhooks/chargebee", codes.Unset},
		{http.MethodPost, webhook.Path, http.StatusBadRequest, "POST /webhooks/chargebee", codes.Unset},
		{http.MethodPost, webhook.Path, http.StatusServiceUnavailable, "POST /webhooks/chargebee", codes.Error},
		{http.MethodGet, "/customer/17", http.StatusNotFound, "GET", codes.Unset},
		{"BREW", "/pot", http.StatusNotFound, "HTTP", codes.Unset},
	} {
		tracing, spans := recorded()
		handler := tracing.middleware()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			recordSpan(r.Context(), webhook.RequestResult{Status: test.status})
		}))
		request := httptest.NewRequest(test.method, test.path, nil)
		request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		handler.ServeHTTP(httptest.NewRecorder(), request)
		made := spans.Ended()[0]
		if made.Name() != test.name || made.Status().Code != test.code || made.Parent().SpanID().String() != "b7ad6b7169203331" {
			t.Errorf("%s %s, %d: %s, %v, child of %s", test.method, test.path, test.status, made.Name(), made.Status(), made.Parent().SpanID())
		}
	}
}

func TestTracing_MessageSpans(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		kind string // of the error
	}{
		{nil, ""},
		{sqsqueue.ErrRefused, "refused"},
		{sqsqueue.ErrClosed, "closed"},
		{sqsqueue.ErrUnavailable, "unavailable"},
	} {
		tracing, spans := recorded()
		service := &fakeQueue{err: test.err}
		message := queue.Message{Attributes: map[string]string{queue.AttributeTraceParent: "of the webhook"}}
		if _, err := tracing.traceMessages(service).Send(t.Context(), message); !errors.Is(err, test.err) {
			t.Errorf("got %v, not %v", err, test.err)
		}
		made := spans.Ended()[0]
		span := made.SpanContext()
		if parent := service.sent.Attributes[queue.AttributeTraceParent]; parent != "00-"+span.TraceID().String()+"-"+span.SpanID().String()+"-01" {
			t.Errorf("the message carries %q", parent)
		}
		if got := errorType(made); got != test.kind || (made.Status().Code == codes.Error) != (test.err != nil) {
			t.Errorf("%v: %q, %v", test.err, got, made.Status())
		}
	}
}

func errorType(span sdktrace.ReadOnlySpan) string {
	for _, attribute := range span.Attributes() {
		if attribute.Key == "error.type" {
			return attribute.Value.AsString()
		}
	}
	return ""
}

// A batch is the child of one of its messages and has links to the others, as far as they
// are recorded. One of messages that are not makes no span.
func TestTracing_BatchSpans(t *testing.T) {
	t.Parallel()
	const (
		first  = "00-0af7651916cd43dd8448eb211c80319c-000000000000000a-01"
		second = "00-1bf7651916cd43dd8448eb211c80319c-000000000000000b-01"
		unseen = "00-2cf7651916cd43dd8448eb211c80319c-000000000000000c-00"
	)
	for _, test := range []struct {
		name    string
		parents []string
		service fakeQueue
		parent  string
		links   []string
		kind    string // of the error
	}{
		{"one", []string{first}, fakeQueue{}, "000000000000000a", nil, ""},
		{"two", []string{unseen, first, "", second}, fakeQueue{}, "000000000000000a", []string{"000000000000000b"}, ""},
		{"none is recorded", []string{unseen, "", "no parent"}, fakeQueue{}, "", nil, ""},
		{"an entry fails", []string{first}, fakeQueue{failed: []types.BatchResultErrorEntry{{Code: aws.String("InternalError")}}}, "000000000000000a", nil, "InternalError"},
		{"all fail", []string{first}, fakeQueue{err: context.DeadlineExceeded}, "000000000000000a", nil, "timeout"},
	} {
		tracing, spans := recorded()
		input := &sqs.SendMessageBatchInput{}
		for _, parent := range test.parents {
			input.Entries = append(input.Entries, types.SendMessageBatchRequestEntry{MessageAttributes: map[string]types.MessageAttributeValue{
				queue.AttributeTraceParent: {StringValue: &parent},
			}})
		}
		if _, err := tracing.traceBatches(&test.service).SendMessageBatch(t.Context(), input); !errors.Is(err, test.service.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.parent == "" {
			if len(spans.Ended()) != 0 {
				t.Errorf("%s: %v", test.name, spans.Ended())
			}
			continue
		}
		made := spans.Ended()[0]
		var links []string
		for _, link := range made.Links() {
			links = append(links, link.SpanContext.SpanID().String())
		}
		if made.Parent().SpanID().String() != test.parent || !slices.Equal(links, test.links) || errorType(made) != test.kind {
			t.Errorf("%s: child of %s, links to %v, error %q", test.name, made.Parent().SpanID(), links, errorType(made))
		}
	}
}
