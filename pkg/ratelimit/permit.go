package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// life is the lifetime of a permit, from the start of the update that granted it.
const life = 500 * time.Millisecond

// ErrExpired means that a permit is too old or was spent before.
var ErrExpired = errors.New("ratelimit: the permit expired or was spent before")

// Permit allows one call to Chargebee. Only a Limiter makes permits that can be spent. An unused
// permit expires, and need not be returned.
type Permit struct {
	now     func() time.Time // nil: no Limiter made it
	started time.Time        // when the update that granted the permit began
	spent   atomic.Bool
}

// Spend uses the permit. It is called immediately before the call to Chargebee is sent. After ErrExpired the call
// must not be sent.
func (p *Permit) Spend() error {
	if p.now == nil || age(p.started, p.now()) > life || !p.spent.CompareAndSwap(false, true) {
		return ErrExpired
	}
	return nil
}

// age returns the time since started by the wall clock or the monotonic clock, whichever gives more: the monotonic
// clock stops while a machine is suspended, and the wall clock can be set back.
func age(started, now time.Time) time.Duration {
	return max(now.Sub(started), now.Round(0).Sub(started.Round(0)))
}

// Caller is the part of a Limiter that one call to Chargebee needs.
type Caller interface {
	Acquire(ctx context.Context) (*Permit, error)
	Pause(permit *Permit, retryAfter time.Duration)
}

// SiteLimitError is an error that can report a 429 for the whole site.
type SiteLimitError interface {
	error
	// SiteLimit returns the Retry-After of a 429 for the whole site. ok is false for any other error.
	SiteLimit() (retryAfter time.Duration, ok bool)
}

// Do acquires a permit and makes one call under it. It waits for the permit until ctx ends.
func Do(ctx context.Context, limiter Caller, call func(*Permit) error) error {
	permit, err := limiter.Acquire(ctx)
	if err != nil {
		return err
	}
	return DoUnder(limiter, permit, call)
}

// DoUnder makes one call under the permit. If the call returns a 429 for the whole site, DoUnder begins a rate-limit
// pause.
func DoUnder(limiter Caller, permit *Permit, call func(*Permit) error) error {
	err := call(permit)
	if failure, ok := errors.AsType[SiteLimitError](err); ok {
		if retryAfter, ok := failure.SiteLimit(); ok {
			limiter.Pause(permit, retryAfter)
		}
	}
	return err
}
