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
	Attempts int // maximum number of calls of op by Do; 0: unlimited
}

// After returns the delay after an attempt, counted from 1: First, doubled with every
// further attempt, at most Max.
func (b Backoff) After(attempt int) time.Duration {
	delay := b.First
	for range attempt - 1 {
		if delay > b.Max/2 { // doubled, it would exceed Max or overflow
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

// Jitter returns a random duration between (1 - maxPart) × delay and delay. It uses crypto/rand, which
// tests can seed (testing/cryptotest).
func Jitter(delay time.Duration, maxPart float64) time.Duration {
	return delay - time.Duration(randomFraction()*maxPart*float64(delay))
}

// randomFraction returns a random number in [0, 1), with the 53 bits that a float64 holds.
func randomFraction() float64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return float64(binary.LittleEndian.Uint64(random[:])>>11) / (1 << 53)
}
