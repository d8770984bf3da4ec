package settlement

import (
	"fmt"
	"time"
)

// deferral ends a handling without a verdict on its message: it comes back later.
type deferral struct {
	why   string
	after time.Duration

	// attempt says that the handling failed for no known time: it counts towards
	// worker.max_attempts, and the delay grows with every one in a row.
	attempt bool
}

func (d *deferral) Error() string {
	if d.attempt {
		return d.why
	}
	return fmt.Sprintf("%s: come back in %s", d.why, d.after)
}

// until defers the message to a known time.
func (s *Settler) until(at time.Time, why string) error {
	// The ledger keeps whole seconds: one more, so that the time has surely come.
	return &deferral{why: why, after: max(at.Sub(s.Now()), 0) + time.Second}
}

// wait defers the message by a known time.
func wait(after time.Duration, why string) error { return &deferral{why: why, after: after} }

// failed defers the message by a back-off, and counts the attempt.
func failed(why string) error { return &deferral{why: why, attempt: true} }
