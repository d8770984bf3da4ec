package sqs_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// TestDenied: a batch is denied as a whole and before its entries are looked at, and
// what is not denied goes on.
func TestDenied(t *testing.T) {
	t.Parallel()
	b := newBench(t, sqs.Config{Denied: func(action, queue string) bool { return action == "DeleteMessage" && queue == "events" }}, nil)
	b.send("x")
	_, err := b.client.DeleteMessageBatch(t.Context(), &awssqs.DeleteMessageBatchInput{
		QueueUrl: b.url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: aws.String("no receipt")}},
	})
	denied(t, err)
	_, err = b.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: b.url, ReceiptHandle: aws.String("no receipt")})
	denied(t, err)
	if messages, err := b.receive(1, 0); err != nil || len(messages) != 1 {
		t.Errorf("received %v, %v", messages, err)
	}
}

func denied(t *testing.T, err error) {
	t.Helper()
	api, isAPI := errors.AsType[smithy.APIError](err)
	response, isResponse := errors.AsType[*awshttp.ResponseError](err)
	if !isAPI || !isResponse || api.ErrorCode() != "AccessDenied" || response.HTTPStatusCode() != http.StatusForbidden {
		t.Errorf("got %v", err)
	}
}
