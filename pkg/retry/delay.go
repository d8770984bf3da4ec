// Package retry computes exponential delays with jitter, waits for them, and repeats
// operations.
package retry

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Backoff is an exponential delay between attempts.
type Backoff struct {
	First    time.Duration // after the first attempt; above 0
	Max      time.Duration
	Attempts int // maximum number of calls of Do; 0: unlimited
}

// After returns the delay after an attempt, counted from 1: First, doubled with every
// further attempt up to Max. It cannot overflow.
func (b Backoff) After(attempt int) time.Duration {
	delay := b.First
	for range attempt - 1 {
		if delay > b.Max/2 {
			return b.Max
		}
		delay *= 2
	}
	return min(delay, b.Max)
}

// Jittered returns After minus a random part of up to a quarter, so that simultaneous
// failures do not cause simultaneous retries.
func (b Backoff) Jittered(attempt int) time.Duration {
	return Jitter(b.After(attempt), 0.25)
}

// Jitter shortens a delay by a random part between 0 and the given one (0 to 1). It uses
// crypto/rand because tests can seed that (testing/cryptotest).
func Jitter(delay time.Duration, part float64) time.Duration {
	return delay - time.Duration(fraction()*part*float64(delay))
}

// fraction returns a random number from 0 up to but not including 1.
func fraction() float64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return float64(binary.LittleEndian.Uint64(random[:])>>11) / (1 << 53)
}
