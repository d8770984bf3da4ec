package ratelimit

import (
	"errors"
	"sync/atomic"
	"time"
)

// life is how long after the start of the update that granted it a permit can be spent.
const life = 500 * time.Millisecond

// ErrExpired reports a permit that is too old or was spent before. Nothing was sent.
var ErrExpired = errors.New("ratelimit: the permit expired or was spent before")

// Permit allows one call to Chargebee. Only a Limiter makes permits that can be spent. A
// permit that is not needed is dropped: it expires, and nothing has to be given back.
type Permit struct {
	now     func() time.Time // nil: no Limiter made it
	started time.Time        // when the update that granted it began
	spent   atomic.Bool
}

// Spend uses the permit up, immediately before the call is on the wire. It returns
// ErrExpired if the call must not be made.
func (p *Permit) Spend() error {
	if p.now == nil || age(p.started, p.now()) > life || !p.spent.CompareAndSwap(false, true) {
		return ErrExpired
	}
	return nil
}

// age returns the time since started by the clock that shows more: the monotonic clock stops
// while a machine is suspended, and the wall clock can be set back.
func age(started, now time.Time) time.Duration {
	return max(now.Sub(started), now.Round(0).Sub(started.Round(0)))
}
