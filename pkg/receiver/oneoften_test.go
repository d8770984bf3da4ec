package receiver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// oneOfTen is an SQS that fails one entry of each batch, always that of the same
// webhook, and answers 200 for the batch. Its first batch takes long, so that what
// comes meanwhile shares the second.
type oneOfTen struct {
	*sqs.Service
	unlucky string // part of the body of the entry that fails
	recover int    // number of failures before success; 0: never

	mu      sync.Mutex
	batches []int // entries of each
	failed  int
}

func (s *oneOfTen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SendMessageBatch") {
		s.Service.ServeHTTP(w, r)
		return
	}
	content, _ := io.ReadAll(r.Body)
	var input struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []map[string]any
	}
	if err := json.Unmarshal(content, &input); err != nil {
		panic(err)
	}
	s.mu.Lock()
	first := len(s.batches) == 0
	s.batches = append(s.batches, len(input.Entries))
	s.mu.Unlock()
	if first {
		time.Sleep(100 * time.Millisecond)
	}
	var taken []map[string]any
	failed := []map[string]any{}
	for _, entry := range input.Entries {
		if strings.Contains(entry["MessageBody"].(string), s.unlucky) && (s.recover == 0 || s.failed < s.recover) {
			s.failed++
			failed = append(failed, map[string]any{"Id": entry["Id"], "SenderFault": false, "Code": "InternalError"})
			continue
		}
		taken = append(taken, entry)
	}
	output := map[string]any{"Successful": []any{}, "Failed": failed}
	if len(taken) > 0 {
		forwarded, _ := json.Marshal(map[string]any{"QueueUrl": input.QueueURL, "Entries": taken})
		answer := httptest.NewRecorder()
		request := r.Clone(r.Context())
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(forwarded)), int64(len(forwarded))
		s.Service.ServeHTTP(answer, request)
		var served map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &served); err != nil {
			panic(err)
		}
		output["Successful"] = served["Successful"]
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(output)
}

// TestReceiver_OneEntryOfTenFails: nine webhooks of the batch are answered 200, the tenth is
// tried again in its time, and answered 503 when that does not help.
func TestReceiver_OneEntryOfTenFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		recover int
		want    int // the tenth's answer
	}{
		"for good":  {0, http.StatusServiceUnavailable},
		"two times": {2, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := &oneOfTen{Service: sqs.New(sqs.Config{}), unlucky: "draft_7", recover: test.recover}
				request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"QueueName":"events"}`))
				request.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
				service.ServeHTTP(httptest.NewRecorder(), request)
				r := inMemory(t, service)

				answers := make([]int, 11)
				var clients sync.WaitGroup
				for number := range answers {
					clients.Go(func() {
						if number < 10 {
							time.Sleep(10 * time.Millisecond) // while the eleventh is on its way
						}
						answer := httptest.NewRecorder()
						r.Handler().ServeHTTP(answer, webhookRequest(t, "", pendingInvoice(t, number)))
						answers[number] = answer.Code
						if answer.Code == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") == "" {
							t.Error("503 without Retry-After")
						}
					})
				}
				clients.Wait()
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				for number, got := range answers {
					want := http.StatusOK
					if number == 7 {
						want = test.want
					}
					if got != want {
						t.Errorf("webhook %d is answered %d, want %d", number, got, want)
					}
				}
				if len(service.batches) < 3 || service.batches[0] != 1 || service.batches[1] != 10 {
					t.Errorf("the batches had %v entries", service.batches)
				}
				stored := map[string]int{}
				for _, message := range service.Messages("events") {
					stored[message.Attributes["invoice_id"]]++
				}
				for number, answer := range answers {
					if got := stored[fmt.Sprintf("draft_%d", number)]; (answer == http.StatusOK) != (got == 1) {
						t.Errorf("webhook %d is answered %d and stored %d times", number, answer, got)
					}
				}
			})
		})
	}
}
