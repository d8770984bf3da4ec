package receiver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// Whatever SQS does, each request is answered in time, by the outcome of its own
// entry: a success names its own message, anything else asks the client to come again.
func TestReceiver_RespondsUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { answersUnderFaults(t, seed) })
		})
	}
}

func answersUnderFaults(t *testing.T, seed uint64) {
	service := sqs.New(sqs.Config{Faults: sandbox.Seeded(seed, sandbox.Rates{
		Throttle: 0.1, Refuse: 0.1, LoseReply: 0.1, ApplyLate: 0.05, Partial: 0.3, CutBody: 0.05,
		DelayRate: 0.5, MaxDelay: 3 * time.Second, MaxLate: 20 * time.Second,
	})})
	for created := false; !created; { // this call meets faults too
		answer := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"QueueName":"events"}`))
		request.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
		func() {
			defer func() { _ = recover() }() // a connection that is cut
			service.ServeHTTP(answer, request)
		}()
		created = service.Messages("events") != nil
	}
	r := inMemory(t, service)

	const webhooks = 300
	ids := make([]string, webhooks)
	refused := 0
	var mu sync.Mutex
	var clients sync.WaitGroup
	for number := range webhooks {
		clients.Go(func() {
			time.Sleep(time.Duration(number) * 20 * time.Millisecond)
			started := time.Now()
			answer := httptest.NewRecorder()
			r.Handler().ServeHTTP(answer, webhookRequest(t, "", pendingInvoice(t, number)))
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("webhook %d took %s", number, took)
			}
			mu.Lock()
			defer mu.Unlock()
			var fields struct {
				MessageID string `json:"message_id"`
			}
			if err := json.Unmarshal(answer.Body.Bytes(), &fields); err != nil {
				t.Error(err)
			}
			ids[number] = fields.MessageID
			switch answer.Code {
			case http.StatusOK:
			case http.StatusServiceUnavailable:
				refused++
			default:
				t.Errorf("webhook %d is answered %d: %s", number, answer.Code, answer.Body)
			}
		})
	}
	clients.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute) // late effects take place

	stored := map[string]sqs.Message{}
	for _, message := range service.Messages("events") {
		stored[message.ID] = message
	}
	taken := 0
	for number, id := range ids {
		if id == "" {
			continue
		}
		taken++
		if got := stored[id].Attributes["invoice_id"]; got != fmt.Sprintf("draft_%d", number) {
			t.Errorf("webhook %d is answered with %s, which is %q", number, id, got)
		}
	}
	if taken+refused != webhooks || taken < webhooks/2 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
	t.Logf("%d taken, %d refused, %d stored", taken, refused, len(stored))
}
