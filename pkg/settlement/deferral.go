package settlement

import (
	"fmt"
	"time"
)

// deferral ends a handling without a verdict on its message: it comes back later.
type deferral struct {
	reason string
	delay  time.Duration

	// attempt says that the handling failed for no known time: it counts towards
	// worker.max_attempts, and the delay grows with every one in a row.
	countsAttempt bool
}

func (d *deferral) Error() string {
	if d.countsAttempt {
		return d.reason
	}
	return fmt.Sprintf("%s: come back in %s", d.reason, d.delay)
}

// until defers the message to a known time.
func (s *Settler) deferUntil(at time.Time, reason string) error {
	// The ledger keeps whole seconds: one more, so that the time has surely come.
	return &deferral{reason: reason, delay: max(at.Sub(s.Now()), 0) + time.Second}
}

// wait defers the message by a known time.
func deferFor(after time.Duration, reason string) error {
	return &deferral{reason: reason, delay: after}
}

// failed defers the message by a back-off, and counts the attempt.
func deferWithBackoff(reason string) error { return &deferral{reason: reason, countsAttempt: true} }
