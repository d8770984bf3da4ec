package settlement_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// maxReceiveCount is after how many receives the queue moves a message away.
const maxReceiveCount = 1000

// receive delivers the message as the queue does, for as long as it keeps it, and
// returns the last outcome and the number of receives.
func (w *world) receive(settler *settlement.Settler, body []byte, keep time.Duration) (outcome queue.Outcome, receives int) {
	w.t.Helper()
	sent := time.Now()
	for receives = 1; time.Since(sent) < keep && receives < 2*maxReceiveCount; receives++ {
		delivery := &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: sent, ReceiveCount: receives}}
		if outcome = settler.Handle(w.t.Context(), delivery); outcome.Verdict != queue.Retry {
			return outcome, receives
		}
		time.Sleep(outcome.After)
	}
	return outcome, receives
}

// TestWaitingUsesUpNoMessage: however long Chargebee cannot take calls, the message
// of a lone invoice is not received so often that its queue moves it away without a
// reason. At last it is too old.
func TestWaitingUsesUpNoMessage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		code   string
	}{
		"maintenance": {http.StatusServiceUnavailable, "site_not_ready"},
		"locked":      {http.StatusTooManyRequests, "lock_timeout"},
		"credentials": {http.StatusUnauthorized, "api_authentication_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				_, body := w.three()
				away := true
				settler := w.settler(answering("/add_charge", test.status, test.code, func() bool { return away }))
				outcome, receives := w.receive(settler, body, 7*24*time.Hour)
				if outcome.Reason != string(billing.TooOld) || receives >= maxReceiveCount {
					t.Fatalf("after %d receives: %+v", receives, outcome)
				}
				away = false
				if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
					t.Fatalf("replayed: %+v", outcome)
				}
				w.wantEqualBooks()
			})
		})
	}
}

// TestStoreThatRefuses keeps the lease from being taken, so nothing is counted: the
// queue must have moved the message away before it would forget it.
func TestStoreThatRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_, body := w.three()
		settler := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if service == "dynamodb" {
					return nil, errCrashed
				}
				return transport.RoundTrip(request)
			})
		})
		if outcome, receives := w.receive(settler, body, 7*24*time.Hour-time.Hour); receives < maxReceiveCount {
			t.Errorf("after %d receives: %+v", receives, outcome)
		}
	})
}

// TestMessageThatLacksSomethingForGood asks Chargebee, which does not answer: it
// does not come back forever.
func TestMessageThatLacksSomethingForGood(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		code   string
		reason billing.Reason
	}{
		"refused":     {http.StatusBadRequest, "param_wrong_value", billing.ChargebeeRefused},
		"no answer":   {http.StatusInternalServerError, "internal_error", billing.AttemptsExhausted},
		"maintenance": {http.StatusServiceUnavailable, "site_not_ready", billing.TooOld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				body = []byte(strings.ReplaceAll(string(body), `"id":"li_`, `"xid":"li_`))
				failing := true
				settler := w.settler(answering("/invoices/"+id, test.status, test.code, func() bool { return failing }))
				outcome, receives := w.receive(settler, body, 7*24*time.Hour)
				if outcome.Reason != string(test.reason) {
					t.Fatalf("after %d receives: %+v", receives, outcome)
				}
				if head := w.head(id); head.State != billing.Rejected || head.Owner != "" {
					t.Errorf("got %+v", head)
				}
				failing = false
				if outcome := w.handle(settler, body); outcome.Verdict != queue.Done {
					t.Fatalf("replayed: %+v: %+v", outcome, w.last())
				}
				if head := w.head(id); head.Outcome != billing.Closed {
					t.Errorf("got %+v", head)
				}
				w.wantEqualBooks()
			})
		})
	}
}

// TestResumingThatFails is counted as any other attempt: a rejected invoice that
// cannot be looked at is rejected again.
func TestResumingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		calls := 0
		first := w.settler(answering("/add_charge", http.StatusBadRequest, "param_wrong_value", func() bool { calls++; return calls == 2 }))
		if outcome := w.deliver(first, body); outcome.Reason != string(billing.ChargebeeRefused) {
			t.Fatalf("got %+v", outcome)
		}
		failing := true
		settler := w.settler(answering("/invoices/"+id, http.StatusInternalServerError, "internal_error", func() bool { return failing }))
		if outcome, receives := w.receive(settler, body, 5*24*time.Hour); outcome.Reason != string(billing.AttemptsExhausted) {
			t.Fatalf("after %d receives: %+v", receives, outcome)
		}
		if got := w.statuses(); got != "claimed claimed claimed" {
			t.Errorf("events are %s", got)
		}
		failing = false
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("replayed: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestReleasingThatFails keeps its reason: the dead letter of a release that was
// itself given up says what is wrong.
func TestReleasingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		bad := w.write("sub", "calls", "-1")
		id, body := w.renew("sub")
		failing := true
		broken := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				releases := service == "dynamodb" && w.head(id).State == billing.Releasing
				if failing && releases && strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".GetItem") && !strings.Contains(bodyOf(request), `"`+id+`"`) {
					return nil, errCrashed // the pages cannot be read
				}
				return transport.RoundTrip(request)
			})
		})
		outcome, receives := w.receive(broken, body, 5*24*time.Hour)
		if outcome.Reason != string(billing.InvalidEvent) {
			t.Fatalf("after %d receives: %+v", receives, outcome)
		}
		failing = false
		outcome = w.deliver(broken, body)
		if outcome.Reason != string(billing.InvalidEvent) || !strings.Contains(outcome.Detail, bad) {
			t.Fatalf("released and rejected: %+v", outcome)
		}
		if got := w.statuses(); got != billing.EventUnbilled {
			t.Errorf("events are %s", got)
		}
		w.mend(bad)
		if outcome := w.deliver(broken, body); outcome.Verdict != queue.Done {
			t.Fatalf("replayed: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// stalePermits hands out permits that are too old, as a process gets them that is
// slow between a permit and its call.
type stalePermits struct {
	settlement.Pacer

	stale func() bool
}

func (p stalePermits) TryAcquire() *pace.Permit {
	permit, _ := p.Acquire(context.Background())
	return permit
}

func (p stalePermits) Acquire(ctx context.Context) (*pace.Permit, error) {
	permit, err := p.Pacer.Acquire(ctx)
	if err == nil && p.stale() {
		defer permit.Release()
		return pace.NewPermit(time.Now().Add(-time.Second), nil), nil
	}
	return permit, err
}

// TestSpentPermits are no attempt: nothing was sent, and the next permit is sure to
// come.
func TestSpentPermits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		settler := w.settler(nil)
		stale := true
		settler.Pacer = stalePermits{settler.Pacer, func() bool { return stale }}
		for range 2 * settings.MaxAttempts {
			outcome := w.handle(settler, body)
			if outcome.Verdict != queue.Retry {
				t.Fatalf("got %+v", outcome)
			}
			time.Sleep(outcome.After)
		}
		if head := w.head(id); head.Attempts != 0 || head.Sending() {
			t.Errorf("got %+v", head)
		}
		stale = false
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v", outcome)
		}
		w.wantEqualBooks()
	})
}
