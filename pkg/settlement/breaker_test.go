package settlement_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/settlement"
)

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

// While the clock is wrong no message passes, also not as a probe, and no answer closes the breaker.
func TestBreaker_ClockError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := settlement.NewBreaker(time.Now)
		if breaker.SetClockError("") || !breaker.SetClockError("31 s ahead") || breaker.SetClockError("32 s ahead") {
			t.Error("not every change is reported, or not only changes")
		}
		started := time.Now()
		passed := make(chan time.Duration, 1)
		go func() {
			_, _ = breaker.Wait(t.Context())
			passed <- time.Since(started)
		}()
		time.Sleep(24 * time.Hour)
		breaker.Record("one", nil)
		synctest.Wait()
		if !breaker.Open() || breaker.Reason() != "32 s ahead" || len(passed) != 0 {
			t.Errorf("open: %t, because of %q; %d passed", breaker.Open(), breaker.Reason(), len(passed))
		}
		if !breaker.SetClockError("") {
			t.Error("the change is not reported")
		}
		if waited := <-passed; breaker.Open() || waited != 24*time.Hour {
			t.Errorf("open: %t, waited %s", breaker.Open(), waited)
		}
	})
}

// A process whose clock is wrong sends nothing, from the answer on that shows it, and continues once the
// clock is right.
func TestSettler_ClockError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		settler := f.settler(nil)
		f.meanwhile("retrieve", 1, func() error { settler.Breaker.SetClockError("31 s ahead"); return nil })
		for range 2 {
			f.wantRetry(settler, body)
			f.wantCalls("retrieve")
		}
		if got := f.last().DeferReason; got != "31 s ahead" {
			t.Errorf("deferred because of %q", got)
		}
		settler.Breaker.SetClockError("")
		f.wantClosed(settler, body)
	})
}

// A line whose answer shows that the clock is wrong was added; the next one is not sent.
func TestSettler_ClockErrorWhileCharging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		settler := f.settler(nil)
		f.meanwhile("add_charge", 1, func() error { settler.Breaker.SetClockError("31 s ahead"); return nil })
		f.wantRetry(settler, body)
		f.wantCalls("retrieve add_charge")
		f.wantClosed(f.settler(nil), body) // by another process
	})
}
