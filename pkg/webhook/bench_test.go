package webhook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

type instantQueue struct{}

func (instantQueue) Send(context.Context, queue.Message) (string, error) { return "message-1", nil }

type noObserver struct{}

func (noObserver) RequestDone(context.Context, webhook.RequestResult) {}

// The handler's own work for one webhook: no network, no queue.
func BenchmarkHandler(b *testing.B) {
	handler := webhook.NewHandler(webhook.Config{
		Queue: instantQueue{}, Observer: noObserver{}, Now: time.Now,
		Credentials: []webhook.Credentials{{Username: "chargebee", Password: "password"}},
		MaxInFlight: 1000, MaxInFlightBytes: 64 << 20, MaxBodyBytes: 1 << 20, RequestTimeout: 5 * time.Second,
	})
	body := pendingInvoice(b)
	request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, webhook.Path, nil)
	request.SetBasicAuth("chargebee", "password")
	request.Header.Set("Content-Type", "application/json")
	request.ContentLength = int64(len(body))
	reader := strings.NewReader(body)
	request.Body = io.NopCloser(reader)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Body)
		}
	}
}
