package receiver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// All that a receiver does for one webhook, with a fake of SQS in the same process
// in place of two networks; its work is part of it.
func BenchmarkWebhook(b *testing.B) {
	service := sqs.New(sqs.Config{})
	create := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(`{"QueueName":"events"}`))
	create.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
	service.ServeHTTP(httptest.NewRecorder(), create)
	handler := inMemory(b, service).Handler()
	body := pendingInvoice(b, 1)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.SetParallelism(100)
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, webhookRequest(b, "", body))
			if answer.Code != http.StatusOK {
				b.Error(answer.Body)
			}
		}
	})
}
