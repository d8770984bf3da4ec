// Package retry computes delays, as pure functions, and waits for them.
package retry

import (
	"crypto/rand"
	"encoding/binary"
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
//
// The randomness is that of crypto/rand, not because it has to be a secret, but
// because a test can set it (testing/cryptotest), so that a history replays exactly.
func Jitter(delay time.Duration, part float64) time.Duration {
	return delay - time.Duration(fraction()*part*float64(delay))
}

// fraction returns a random number from 0 up to but not including 1.
func fraction() float64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return float64(binary.LittleEndian.Uint64(random[:])>>11) / (1 << 53)
}
