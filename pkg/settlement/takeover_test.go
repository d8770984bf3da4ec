package settlement_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
)

// TestPausedProcess is stopped at every call it makes, before the call is sent, sleeps
// past its lease, and past the memory of idempotency keys, while another one
// finishes; then it goes on. Nothing changes.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	for _, sleep := range []time.Duration{2 * time.Minute, 2 * time.Hour} {
		atEachCall(t, "asleep for "+sleep.String(), func(t *testing.T, call int) (reached bool) {
			f := newFixture(t, nil)
			id, body := f.three()
			calls := 0
			paused := f.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
				return roundTripper(func(request *http.Request) (*http.Response, error) {
					if calls++; calls == call {
						reached = true
						time.Sleep(sleep)
						// The process slept, not its timers: the call goes out.
						request = request.WithContext(context.WithoutCancel(request.Context()))
					}
					return transport.RoundTrip(request)
				})
			})
			ended := make(chan queue.Outcome)
			go func() { ended <- f.handle(paused, body) }()
			time.Sleep(settings.Lease + time.Second)
			f.wantDone(f.settler(nil), body)
			before := f.head(id)
			f.wantReconciled()
			<-ended
			time.Sleep(time.Hour)
			if after := f.head(id); after != before {
				t.Errorf("the ledger changed from %+v to %+v", before, after)
			}
			f.wantReconciled()
			return reached
		})
	}
}

// TestPausedProcess_Alone decides to send a line again, and sleeps while it waits for a permit
// until it is too late for that. Its lease is free: the clock prevents the call.
func TestPausedProcess_Alone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		_, body := f.three()
		f.handle(f.settler(nil), body)
		time.Sleep(17 * time.Minute) // of 19.5
		paused := f.settler(nil)
		slept := false
		paused.RateLimiter = slowPermits{paused.RateLimiter, func() {
			if !slept {
				slept = true
				time.Sleep(4 * time.Minute)
			}
		}}
		before := f.calls()
		if outcome := f.handle(paused, body); outcome.Action != queue.Retry || outcome.Delay < 8*time.Minute {
			t.Errorf("got %+v", outcome)
		}
		if got := f.calls(); got != before {
			t.Errorf("it called %s after %s", got, before)
		}
		f.wantClosed(f.settler(nil), body)
	})
}

// TestPausedProcess_SendsNothing: one that slept past its lease while it waited for a permit
// makes no call that changes an invoice, not even one that would do no harm.
func TestPausedProcess_SendsNothing(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"add_charge", "close"} {
		for n := 1; n <= 2; n++ {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, once(operation, n, sandbox.Fault{Kind: sandbox.Refuse}))
				_, body := f.three()
				if outcome := f.handle(f.settler(nil), body); operation == "add_charge" && outcome.Action != queue.Retry {
					t.Fatalf("got %+v", outcome)
				}
				paused := f.settler(nil)
				slept := false
				paused.RateLimiter = slowPermits{paused.RateLimiter, func() {
					if slept {
						return
					}
					slept = true
					time.Sleep(settings.Lease + time.Second)
					f.wantDone(f.settler(nil), body)
				}}
				f.handle(paused, body)
				calls := f.chargebee.Calls()
				if last := calls[len(calls)-1].Operation; last != "close" {
					t.Errorf("%s %d: the paused called %s", operation, n, last)
				}
				f.wantReconciled()
			})
		}
	}
}

// TestPausedProcess_BeforeFirstCall wrote that a line is being sent, and slept until it was
// too late for it. Its lease is free: it sends the line, but records first that it does
// so only now.
func TestPausedProcess_BeforeFirstCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.meanwhile("add_charge", 2, func() error {
			record := f.head(id)
			if age := time.Since(time.Unix(record.SendingSince, 0)); !record.IsSending() || age > time.Minute {
				return fmt.Errorf("a line is sent %s after the head said so: %+v", age, record)
			}
			return nil
		})
		paused := f.settler(nil)
		slept := false
		paused.Ledger = watched{Ledger: paused.Ledger, after: func(step billing.Step) {
			if step.Record.Cursor == 1 && step.Record.IsSending() && !slept {
				slept = true
				time.Sleep(20 * time.Minute) // of 19.5
			}
		}}
		f.wantClosed(paused, body)
		if !slept {
			t.Error("it did not sleep")
		}
	})
}

// TestLiveOwnerIsLeftAlone: a duplicate of the message waits.
func TestLiveOwnerIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		first := f.settler(onTheWayTo("chargebee", func(*http.Request) error {
			time.Sleep(5 * time.Second)
			return nil
		}))
		ended := make(chan queue.Outcome)
		go func() { ended <- f.handle(first, body) }()
		time.Sleep(2 * time.Second)
		outcome := f.handle(f.settler(nil), body)
		if outcome.Action != queue.Retry || outcome.Delay < 30*time.Second {
			t.Errorf("the duplicate: %+v", outcome)
		}
		if outcome := <-ended; outcome.Action != queue.Ack {
			t.Errorf("got %+v", outcome)
		}
		f.wantReconciled()
	})
}

// TestDrainedHandling releases its message at once, and is not an attempt.
func TestDrainedHandling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		drained := errors.New("drained")
		slow := f.settler(onTheWayTo("chargebee", func(request *http.Request) error {
			select {
			case <-time.After(10 * time.Second):
				return nil
			case <-request.Context().Done():
				return request.Context().Err()
			}
		}))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(25*time.Second, func() { cancel(drained) })
		outcome := slow.Handle(ctx, &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}})
		if outcome.Action != queue.Retry || outcome.Delay != 0 {
			t.Errorf("got %+v", outcome)
		}
		if record := f.head(id); record.Owner != "" || record.Attempts != 0 || record.Cursor != 1 || !record.IsSending() {
			t.Errorf("got %+v", record)
		}
		f.wantClosed(f.settler(nil), body)
	})
}

// TestNewerLedgerWaits for a newer program.
func TestNewerLedgerWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		err := f.store.Commit(t.Context(), billing.Step{Record: billing.Record{InvoiceID: id, State: "polishing", Version: "f", SchemaVersion: billing.SchemaVersion + 1}})
		if err != nil {
			t.Fatal(err)
		}
		if outcome := f.handle(f.settler(nil), body); outcome.Action != queue.Retry || outcome.Delay != time.Minute {
			t.Errorf("got %+v", outcome)
		}
		if record := f.head(id); record.State != "polishing" || record.Owner != "" {
			t.Errorf("got %+v", record)
		}
	})
}

// TestHeartbeatKeepsTheLease through a long wait under it.
func TestHeartbeatKeepsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		slow := f.settler(onTheWayTo("chargebee", func(*http.Request) error {
			time.Sleep(25 * time.Second)
			return nil
		}))
		delivery := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}}
		ended := make(chan queue.Outcome)
		go func() { ended <- slow.Handle(t.Context(), delivery) }()
		for range 4 {
			time.Sleep(20 * time.Second)
			if err := delivery.Heartbeat(t.Context()); err != nil {
				t.Error(err)
			}
			if left := f.head(id).LeaseUntil - time.Now().Unix(); left < 30 {
				t.Errorf("the lease lasts %d s", left)
			}
		}
		if outcome := <-ended; outcome.Action != queue.Ack {
			t.Errorf("got %+v", outcome)
		}
		if err := delivery.Heartbeat(t.Context()); err != nil {
			t.Errorf("a beat after the end: %v", err)
		}
	})
}
