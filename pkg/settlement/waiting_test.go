package settlement_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// maxReceiveCount is after how many receives the queue moves a message away.
const maxReceiveCount = 1000

// receive delivers the message as the queue does, for as long as it keeps it, and
// returns the last outcome and the number of receives.
func (f *fixture) receive(settler *settlement.Settler, body []byte, keep time.Duration) (outcome queue.Outcome, receives int) {
	f.t.Helper()
	sent := time.Now()
	for receives = 1; time.Since(sent) < keep && receives < 2*maxReceiveCount; receives++ {
		delivery := &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: sent, ReceiveCount: receives}}
		if outcome = settler.Handle(f.t.Context(), delivery); outcome.Action != queue.Retry {
			return outcome, receives
		}
		time.Sleep(outcome.Delay)
	}
	return outcome, receives
}

// TestWaitingUsesUpNoMessage: however long Chargebee cannot take calls, the message
// of a lone invoice is received less often than the limit at which its queue moves it without a
// reason. At last it is too old.
func TestWaitingUsesUpNoMessage(t *testing.T) {
	unraced(t)
	t.Parallel()
	for name, answer := range map[string]string{
		"maintenance": notReady,
		"locked":      "429 operation_failed lock_timeout",
		"credentials": "401 untyped api_authentication_failed",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				_, body := f.three()
				settler := f.settler(nil)
				f.gateway.answer(canned{to: "/add_charge", words: answer})
				outcome, receives := f.receive(settler, body, 7*24*time.Hour)
				if outcome.Reason != string(billing.TooOld) || receives >= maxReceiveCount {
					t.Fatalf("after %d receives: %+v", receives, outcome)
				}
				f.gateway.stop()
				f.wantClosed(settler, body)
			})
		})
	}
}

// TestStoreThatRefuses keeps the lease from being taken, so nothing is counted: the
// queue must have moved the message away before it would forget it.
func TestStoreThatRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		settler := f.settler(onTheWayTo("dynamodb", func(*http.Request) error { return errCrashed }))
		if outcome, receives := f.receive(settler, body, 7*24*time.Hour-time.Hour); receives < maxReceiveCount {
			t.Errorf("after %d receives: %+v", receives, outcome)
		}
	})
}

// TestInvoiceThatCannotBeRead is not rejected for that: its message comes back until it is
// too old.
func TestInvoiceThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"refused":     "400 invalid_request param_wrong_value",
		"conflict":    "409 invalid_request invalid_state_for_request",
		"no answer":   "500 operation_failed internal_error",
		"maintenance": notReady,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				settler := f.settler(nil)
				f.gateway.answer(canned{to: "/" + id, words: answer})
				outcome, receives := f.receive(settler, body, 7*24*time.Hour)
				if outcome.Reason != string(billing.TooOld) {
					t.Fatalf("after %d receives: %+v", receives, outcome)
				}
				if record := f.head(id); record.State != billing.Rejected || record.Owner != "" {
					t.Errorf("got %+v", record)
				}
				f.gateway.stop()
				f.wantDoneAtOnce(settler, body)
				if record := f.head(id); record.Outcome != billing.Closed {
					t.Errorf("got %+v", record)
				}
				f.wantReconciled()
			})
		})
	}
}

// TestAttemptsAreExhausted by failures without a known end, and counted from 0 after.
func TestAttemptsAreExhausted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		settler := f.settler(nil)
		f.gateway.answer(canned{to: "/add_charge", words: "500 operation_failed internal_error"})
		started := time.Now()
		outcome := f.wantRejected(settler, body, billing.AttemptsExhausted)
		if !strings.Contains(outcome.Detail, "internal_error") {
			t.Errorf("the detail is %q", outcome.Detail)
		}
		if took := time.Since(started); took < 30*time.Minute || took > 24*time.Hour {
			t.Errorf("it took %s", took)
		}
		if record := f.head(id); record.Resume != billing.Charging || !record.InDoubt {
			t.Errorf("got %+v", record)
		}
		f.gateway.stop()
		f.wantClosed(settler, body)
	})
}

// TestReleasingThatFails keeps its reason: the dead letter of a release that was
// itself given up has the cause.
func TestReleasingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		bad := f.write("sub", "calls", "1e30")
		id, body := f.renew("sub")
		failing := true
		broken := f.settler(onTheWayTo("dynamodb", func(request *http.Request) error {
			releases := f.head(id).State == billing.Releasing
			if failing && releases && strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".GetItem") && !strings.Contains(bodyOf(request), `"`+id+`"`) {
				return errCrashed // the pages cannot be read
			}
			return nil
		}))
		outcome, receives := f.receive(broken, body, 5*24*time.Hour)
		if outcome.Reason != string(billing.InvalidEvent) {
			t.Fatalf("after %d receives: %+v", receives, outcome)
		}
		failing = false
		outcome = f.wantRejected(broken, body, billing.InvalidEvent)
		if !strings.Contains(outcome.Detail, bad) {
			t.Errorf("released and rejected: %+v", outcome)
		}
		f.wantStatuses(billing.EventUnbilled)
		f.correct(bad)
		f.wantClosed(broken, body)
	})
}

// TestPermitIsAwaitedForFiveMinutes: then the message comes back, what was added is
// written down, nothing counts as sent, and the session was not an attempt.
func TestPermitIsAwaitedForFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		settler := f.settler(nil)
		limiter := settler.RateLimiter
		settler.RateLimiter = &exhausted{left: 2} // to read the invoice, and to add the first line
		started := time.Now()
		outcome := f.handle(settler, body)
		if waited := time.Since(started); outcome.Action != queue.Retry || waited < 5*time.Minute || waited > 6*time.Minute {
			t.Errorf("after %s: %+v", waited, outcome)
		}
		if record := f.head(id); record.Cursor != 1 || record.IsSending() || record.Attempts != 0 || record.Owner != "" {
			t.Errorf("got %+v", record)
		}
		settler.RateLimiter = limiter
		f.wantClosed(settler, body)
	})
}

// TestExpiredPermits are not an attempt, whatever call they were for: nothing was sent, and the
// message comes back soon.
func TestExpiredPermits(t *testing.T) {
	t.Parallel()
	for _, now := range situations {
		t.Run(now.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				settler := f.settler(nil)
				now.arise(f, settler, body)
				expired := true
				settler.RateLimiter = expiredPermits{settler.RateLimiter, func() bool { return expired }}
				before := f.calls()
				for range 2 * settings.MaxAttempts {
					outcome := f.handle(settler, body)
					if outcome.Action != queue.Retry || outcome.Delay > 3*time.Second {
						t.Fatalf("got %+v", outcome)
					}
					time.Sleep(outcome.Delay)
				}
				if record := f.head(id); record.Attempts != 0 || record.IsSending() != now.doubt {
					t.Errorf("got %+v", record)
				}
				if got := f.calls(); got != before {
					t.Errorf("called %s after %s", got, before)
				}
				expired = false
				f.wantClosed(settler, body)
			})
		})
	}
}
