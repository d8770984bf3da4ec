package sqs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// Whatever comes in is answered, never as the service's own fault.
func FuzzInput(f *testing.F) {
	for _, operation := range []string{
		"CreateQueue", "ListQueues", "SetQueueAttributes", "SendMessage", "SendMessageBatch",
		"ReceiveMessage", "DeleteMessage", "ChangeMessageVisibilityBatch", "StartMessageMoveTask",
	} {
		f.Add(operation, `{"QueueUrl":"http://sandbox.local/000000000000/events"}`)
	}
	f.Add("SendMessage", `{"QueueUrl":"http://sandbox.local/000000000000/events","MessageBody":"\ud800","MessageAttributes":{"a":{"DataType":"Number","StringValue":"1e9"}}}`)
	f.Add("SetQueueAttributes", `{"QueueUrl":"http://sandbox.local/000000000000/events","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"x\"}"}}`)
	f.Add("ListQueues", `{"NextToken":"!","MaxResults":1}`)
	f.Add("DeleteMessage", `{"QueueUrl":"http://sandbox.local/000000000000/events","ReceiptHandle":"AAAA"}`)
	f.Fuzz(func(t *testing.T, operation, input string) {
		if strings.Contains(input, "WaitTime") {
			return // it would wait in real time
		}
		service := sqs.New(sqs.Config{})
		for _, call := range [][2]string{{"CreateQueue", `{"QueueName":"events"}`}, {operation, input}} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(call[1]))
			request.Header.Set("X-Amz-Target", "AmazonSQS."+call[0])
			answer := httptest.NewRecorder()
			service.ServeHTTP(answer, request)
			if answer.Code != http.StatusOK && (answer.Code < 400 || answer.Code >= 500) {
				t.Errorf("%s %s is answered %d %s", call[0], call[1], answer.Code, answer.Body)
			}
		}
		for _, message := range service.Messages("events") {
			if !utf8.ValidString(message.Body) {
				t.Errorf("stored %q", message.Body)
			}
		}
	})
}
