package settlement

import (
	"fmt"
	"time"
)

// deferral is an error that ends a session before the invoice is finished or rejected: the message is retried
// later.
type deferral struct {
	reason string
	delay  time.Duration // until the retry; if countsAttempt is set, session.outcome computes it

	// countsAttempt makes the session count towards worker.max_attempts. It is set if the time at which a retry
	// can succeed is unknown: the delay then grows with each attempt.
	countsAttempt bool
}

func (d *deferral) Error() string {
	if d.countsAttempt {
		return d.reason
	}
	return fmt.Sprintf("%s: retry in %s", d.reason, d.delay)
}

// deferUntil returns the error that defers the message until a time.
func (s *Settler) deferUntil(at time.Time, reason string) error {
	// Times in records are rounded down to seconds: wait one second more.
	return deferFor(max(at.Sub(s.Now()), 0)+time.Second, reason)
}

// deferFor returns the error that defers the message by a delay.
func deferFor(delay time.Duration, reason string) error {
	return &deferral{reason: reason, delay: delay}
}

// deferWithBackoff returns the error that defers the message with backoff.
func deferWithBackoff(reason string) error { return &deferral{reason: reason, countsAttempt: true} }
