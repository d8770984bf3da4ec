package sqs_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

const benchQueue = `"QueueUrl":"http://sandbox.local/000000000000/events"`

func benchCall(b *testing.B, service *sqs.Service, operation, input string) []byte {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(input))
	request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	answer := httptest.NewRecorder()
	service.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		b.Fatalf("%s is answered %d %s", operation, answer.Code, answer.Body)
	}
	return answer.Body.Bytes()
}

// benchBatch returns a call with ten messages of 1 KB.
func benchBatch() string {
	entries := make([]string, 10)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"Id":"%d","MessageBody":%q,"MessageAttributes":{"event_id":{"DataType":"String","StringValue":"ev_%d"}}}`,
			i, strings.Repeat("x", 1000), i)
	}
	return `{` + benchQueue + `,"Entries":[` + strings.Join(entries, ",") + `]}`
}

func BenchmarkSendMessageBatch(b *testing.B) {
	service := sqs.New(sqs.Config{})
	benchCall(b, service, "CreateQueue", `{"QueueName":"events"}`)
	batch := benchBatch()
	b.ReportAllocs()
	for b.Loop() {
		benchCall(b, service, "SendMessageBatch", batch)
	}
}

// A receive of ten and their deletion, from a queue of a hundred thousand.
func BenchmarkReceiveAndDelete(b *testing.B) {
	service := sqs.New(sqs.Config{})
	benchCall(b, service, "CreateQueue", `{"QueueName":"events"}`)
	batch := benchBatch()
	for range 10_000 {
		benchCall(b, service, "SendMessageBatch", batch)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		benchCall(b, service, "SendMessageBatch", batch)
		b.StartTimer()
		var received struct {
			Messages []struct{ ReceiptHandle string }
		}
		answer := benchCall(b, service, "ReceiveMessage", `{`+benchQueue+`,"MaxNumberOfMessages":10}`)
		if err := json.Unmarshal(answer, &received); err != nil || len(received.Messages) != 10 {
			b.Fatalf("received %d messages, %v", len(received.Messages), err)
		}
		var entries []string
		for i, message := range received.Messages {
			entries = append(entries, fmt.Sprintf(`{"Id":"%d","ReceiptHandle":%q}`, i, message.ReceiptHandle))
		}
		benchCall(b, service, "DeleteMessageBatch", `{`+benchQueue+`,"Entries":[`+strings.Join(entries, ",")+`]}`)
	}
}
