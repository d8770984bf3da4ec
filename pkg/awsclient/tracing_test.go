package awsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/sandbox"
	standin "github.com/billable-events/billable/pkg/sandbox/sqs"
)

// A call is a span if it belongs to one, whatever becomes of it.
func TestTrace_Spans(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
	client := sqs.NewFromConfig(awsclient.Trace(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  aws.AnonymousCredentials{},
		HTTPClient:   &http.Client{Transport: sandbox.Transport{Handler: standin.New(standin.Config{})}},
	}, tracer))
	call := func(ctx context.Context, url string) {
		_, _ = client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &url})
	}
	call(t.Context(), "none")
	if made := spans.Ended(); len(made) != 0 {
		t.Errorf("a call that belongs to no span is %v", made)
	}
	ctx, parent := tracer.Start(t.Context(), "work")
	call(ctx, "none")
	made := spans.Ended()
	if len(made) != 1 || made[0].Name() != "SQS.GetQueueUrl" || made[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Fatalf("the call is %v", made)
	}
	got := map[string]string{}
	for _, attribute := range made[0].Attributes() {
		got[string(attribute.Key)] = attribute.Value.AsString()
	}
	if got["rpc.method"] != "SQS/GetQueueUrl" || got["error.type"] == "" || got["error.type"] == "no_answer" || got["db.system.name"] != "" {
		t.Errorf("the span has %v", got)
	}
}

func TestErrorType(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"Throttled": fmt.Errorf("call: %w", &smithy.GenericAPIError{Code: "Throttled"}),
		"timeout":   fmt.Errorf("call: %w", context.DeadlineExceeded),
		"canceled":  fmt.Errorf("call: %w", context.Canceled),
		"no_answer": errors.New("connection reset"),
	} {
		if got := awsclient.ErrorType(err); got != want {
			t.Errorf("%v is %s, not %s", err, got, want)
		}
	}
}
