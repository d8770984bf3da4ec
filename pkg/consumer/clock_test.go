package consumer

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// Only a difference that is certain counts as wrong, and only an answer that is fast enough shows that the
// clocks agree.
func TestClock(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) // Chargebee's time is within the second after it
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		maxSkew       time.Duration
		started, took time.Duration // from the date
		before, after bool          // wrong
	}{
		"equal":                                      {30 * time.Second, 500 * ms, 100 * ms, false, false},
		"equal again":                                {30 * time.Second, 500 * ms, 100 * ms, true, false},
		"30 s ahead":                                 {30 * time.Second, 31 * time.Second, ms, false, false},
		"more than 30 s ahead":                       {30 * time.Second, 31*time.Second + ms, ms, false, true},
		"30 s behind":                                {30 * time.Second, -30*time.Second - ms, ms, false, false},
		"more than 30 s behind":                      {30 * time.Second, -30*time.Second - 2*ms, ms, false, true},
		"perhaps ahead, in a slow call":              {30 * time.Second, 20 * time.Second, 40 * time.Second, false, false},
		"perhaps ahead again, in a slow call":        {30 * time.Second, 20 * time.Second, 40 * time.Second, true, true},
		"a second behind, below it allowed":          {0, -time.Second, 0, false, false},
		"two seconds behind, none allowed":           {0, -2 * time.Second, 0, false, true},
		"two seconds ahead of the end of the second": {500 * ms, 3 * time.Second, ms, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			breaker := settlement.NewBreaker(time.Now)
			if test.before {
				breaker.SetClockError("before")
			}
			c := &clockChecker{maxSkew: test.maxSkew, breaker: breaker}
			c.record(chargebeeapi.Observation{Date: date, Started: date.Add(test.started), Duration: test.took})
			if got := breaker.ClockError() != ""; got != test.after {
				t.Errorf("wrong: %t (%s)", got, breaker.ClockError())
			}
			c.record(chargebeeapi.Observation{Started: date.Add(time.Hour)}) // without a date
			if got := breaker.ClockError() != ""; got != test.after {
				t.Error("an answer without a date changed it")
			}
		})
	}
}

// A consumer whose clock differs from Chargebee's is not ready, logs it once, and finds out by itself that they
// agree again.
func TestConsumer_ClockDiffers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		offset.Store(int64(-time.Minute))
		c := startChecks(t, "site_key", chargebee.Config{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
		time.Sleep(10 * time.Minute)
		if err := c.ready(false); err == nil || !strings.Contains(err.Error(), "or more ahead of Chargebee's, clock.max_skew is 30s") {
			t.Errorf("got %v", err)
		}
		if got := value(t, c.registry, "billable_clock_difference_seconds"); got < 59 || got > 60 {
			t.Errorf("the difference is %g s", got)
		}
		offset.Store(0)
		time.Sleep(checkInterval + time.Second)
		if err := c.ready(false); err != nil {
			t.Error(err)
		}
		text := c.log.String()
		if strings.Count(text, "clock differs from Chargebee's") != 1 || strings.Count(text, "clock agrees with Chargebee's again") != 1 {
			t.Errorf("not one line for each change: %s", text)
		}
	})
}
