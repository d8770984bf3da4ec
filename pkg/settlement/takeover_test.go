package settlement_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestSleeper is stopped at every call it makes, before the call is sent, sleeps
// past its lease, and past the memory of idempotency keys, while another one
// finishes; then it goes on. Nothing changes.
func TestSleeper(t *testing.T) {
	t.Parallel()
	for _, sleep := range []time.Duration{2 * time.Minute, 2 * time.Hour} {
		for call := 1; ; call++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				calls := 0
				sleeper := w.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
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
				go func() { ended <- w.handle(sleeper, body) }()
				time.Sleep(settings.Lease + time.Second)
				if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Errorf("the other one: %+v", outcome)
				}
				before := w.head(id)
				w.wantEqualBooks()
				<-ended
				time.Sleep(time.Hour)
				if after := w.head(id); after != before {
					t.Errorf("the ledger changed from %+v to %+v", before, after)
				}
				w.wantEqualBooks()
			})
			if t.Failed() {
				t.Fatalf("asleep for %s at call %d", sleep, call)
			}
			if !reached {
				break
			}
		}
	}
}

// TestLiveOwnerIsLeftAlone: a duplicate of the message waits.
func TestLiveOwnerIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_, body := w.three()
		first := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if service == "chargebee" {
					time.Sleep(5 * time.Second)
				}
				return transport.RoundTrip(request)
			})
		})
		ended := make(chan queue.Outcome)
		go func() { ended <- w.handle(first, body) }()
		time.Sleep(2 * time.Second)
		outcome := w.handle(w.settler(nil), body)
		if outcome.Verdict != queue.Retry || outcome.After < 30*time.Second {
			t.Errorf("the duplicate: %+v", outcome)
		}
		if outcome := <-ended; outcome.Verdict != queue.Done {
			t.Errorf("got %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestDrainedHandling is given back at once, and counts for no attempt.
func TestDrainedHandling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		drained := errors.New("drained")
		slow := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if service != "chargebee" {
					return transport.RoundTrip(request)
				}
				select {
				case <-time.After(10 * time.Second):
					return transport.RoundTrip(request)
				case <-request.Context().Done():
					return nil, request.Context().Err()
				}
			})
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(15*time.Second, func() { cancel(drained) })
		outcome := slow.Handle(ctx, &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}})
		if outcome.Verdict != queue.Retry || outcome.After != 0 {
			t.Errorf("got %+v", outcome)
		}
		if head := w.head(id); head.Owner != "" || head.Attempts != 0 || head.Cursor != 1 || !head.Sending() {
			t.Errorf("got %+v", head)
		}
		if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
			t.Errorf("afterwards: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestNewerLedgerWaits for a newer program.
func TestNewerLedgerWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		err := w.store.Commit(t.Context(), billing.Step{Head: billing.Head{InvoiceID: id, State: "polishing", Write: "w", Version: billing.NewestHeadVersion + 1}})
		if err != nil {
			t.Fatal(err)
		}
		if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Retry || outcome.After != time.Minute {
			t.Errorf("got %+v", outcome)
		}
		if head := w.head(id); head.State != "polishing" || head.Owner != "" {
			t.Errorf("got %+v", head)
		}
	})
}

// TestHeartbeatKeepsTheLease through a long wait under it.
func TestHeartbeatKeepsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		slow := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if service == "chargebee" {
					time.Sleep(25 * time.Second)
				}
				return transport.RoundTrip(request)
			})
		})
		delivery := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}}
		ended := make(chan queue.Outcome)
		go func() { ended <- slow.Handle(t.Context(), delivery) }()
		for range 4 {
			time.Sleep(20 * time.Second)
			if err := delivery.Beat(t.Context()); err != nil {
				t.Error(err)
			}
			if left := w.head(id).LeaseUntil - time.Now().Unix(); left < 30 {
				t.Errorf("the lease lasts %d s", left)
			}
		}
		if outcome := <-ended; outcome.Verdict != queue.Done {
			t.Errorf("got %+v", outcome)
		}
		if err := delivery.Beat(t.Context()); err != nil {
			t.Errorf("a beat after the end: %v", err)
		}
	})
}

// TestBreaker opens for credentials at once, for silence after five invoices, and
// lets one message per interval probe.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := settlement.NewBreaker(time.Now)
		silent := &billing.Failure{Kind: billing.Unknown}
		for range 10 {
			breaker.Record("one", silent)
		}
		for _, id := range []string{"two", "three", "four"} {
			breaker.Record(id, silent)
		}
		if breaker.Open() {
			t.Fatal("it opened for four invoices")
		}
		breaker.Record("five", &billing.Failure{Kind: billing.Transient})
		if !breaker.Open() {
			t.Fatal("it did not open for five invoices")
		}
		passed := make(chan time.Duration, 10)
		started := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		for range 5 {
			go func() {
				most, err := breaker.Wait(ctx)
				if err != nil {
					return
				}
				if (most == 1) != breaker.Open() {
					t.Errorf("%d messages may pass, open: %t", most, breaker.Open())
				}
				passed <- time.Since(started)
			}()
		}
		if first, second := <-passed, <-passed; first != 10*time.Second || second != 20*time.Second {
			t.Errorf("probes passed after %s and %s", first, second)
		}
		breaker.Record("six", &billing.Failure{Kind: billing.Permanent}) // an answer
		synctest.Wait()
		if breaker.Open() || len(passed) != 3 {
			t.Errorf("open: %t, %d passed at once", breaker.Open(), len(passed))
		}
		breaker.Record("seven", &billing.Failure{Kind: billing.Unauthorized})
		if !breaker.Open() {
			t.Error("it did not open for refused credentials")
		}
		breaker.Record("seven", nil)
		if breaker.Open() {
			t.Error("it did not close after an answer")
		}
		cancel()
	})
}

// slowPermits makes a process sleep while it waits for a permit.
type slowPermits struct {
	settlement.Pacer

	sleep func()
}

func (p slowPermits) TryAcquire() *pace.Permit { return nil }

func (p slowPermits) Acquire(ctx context.Context) (*pace.Permit, error) {
	p.sleep()
	return p.Pacer.Acquire(ctx)
}

// TestSleeperSendsNothing: one that slept past its lease while it waited for a permit
// makes no call that changes an invoice, not even one that would do no harm.
func TestSleeperSendsNothing(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"add_charge", "close"} {
		for n := 1; n <= 2; n++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, once(operation, n, sandbox.Fault{Kind: sandbox.Refuse}))
				_, body := w.three()
				if outcome := w.handle(w.settler(nil), body); operation == "add_charge" && outcome.Verdict != queue.Retry {
					t.Fatalf("got %+v", outcome)
				}
				sleeper := w.settler(nil)
				slept := false
				sleeper.Pacer = slowPermits{sleeper.Pacer, func() {
					if slept {
						return
					}
					slept = true
					time.Sleep(settings.Lease + time.Second)
					if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
						t.Errorf("the other one: %+v", outcome)
					}
				}}
				w.handle(sleeper, body)
				calls := w.chargebee.Calls()
				if last := calls[len(calls)-1].Operation; last != "close" {
					t.Errorf("%s %d: the sleeper called %s", operation, n, last)
				}
				w.wantEqualBooks()
			})
		}
	}
}
