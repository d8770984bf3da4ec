// Package retry computes delays, as pure functions, and waits for them.
package retry

import (
	"math/rand/v2"
	"time"
)

// Backoff is an exponential delay between two bounds.
type Backoff struct {
	First time.Duration // after the first attempt; above 0
	Most  time.Duration // never more than this
}

// After returns the delay after the given attempt, counted from 1: First, doubled
// with every further attempt up to Most. It cannot overflow.
func (b Backoff) After(attempt int) time.Duration {
	delay := b.First
	for range attempt - 1 {
		if delay > b.Most/2 {
			return b.Most
		}
		delay *= 2
	}
	return min(delay, b.Most)
}

// Jittered returns After with up to a quarter taken off at random, so that what
// failed together does not come back together.
func (b Backoff) Jittered(attempt int) time.Duration {
	return Jitter(b.After(attempt), 0.25)
}

// Jitter takes up to the given part (0 to 1) off a delay at random.
func Jitter(delay time.Duration, part float64) time.Duration {
	return delay - time.Duration(rand.Float64()*part*float64(delay)) //nolint:gosec // spreading load needs no secret randomness
}
