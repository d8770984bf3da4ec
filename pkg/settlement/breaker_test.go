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
