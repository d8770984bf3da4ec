package settlement

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// outageIDs is the number of different ids whose calls must fail in a row before Chargebee counts as down.
const outageIDs = 5

// Breaker is a circuit breaker, which is open while Chargebee is unavailable or refuses the credentials. The
// consumer then receives one message per interval, as a probe, so that messages do not use up their attempts.
// It closes after the first call that succeeds, or fails with another kind than Transient, Unknown and
// Unauthorized. While the clock of the process is wrong, it is open without probes.
type Breaker struct {
	now func() time.Time

	mu         sync.Mutex
	siteError  string          // Chargebee is unavailable, or refuses the credentials; empty otherwise
	interval   time.Duration   // between probes
	nextProbe  time.Time       // when the next message may be received while siteError is set
	failedIDs  map[string]bool // of consecutive calls that failed as Transient or Unknown
	clockError string          // why the clock of this process is wrong; empty if it is right
	changed    chan struct{}   // closed and replaced when Wait must check again
}

// NewBreaker returns a closed breaker.
func NewBreaker(now func() time.Time) *Breaker {
	return &Breaker{now: now, failedIDs: map[string]bool{}, changed: make(chan struct{})}
}

// Record records the result of a call. id is that of the invoice, subscription or customer of the call; empty
// for other calls.
func (b *Breaker) Record(id string, err error) {
	failure, failed := asFailure(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && !failed:
		return // nothing was sent
	case failed && failure.Kind == billing.Unauthorized:
		b.open("Chargebee refuses the credentials or the site: "+failure.Code, unauthorizedDelay)
	case failed && failure.Kind == billing.Transient, failed && failure.Kind == billing.Unknown:
		b.failedIDs[id] = true
		if len(b.failedIDs) >= outageIDs {
			b.open("Chargebee does not answer", outageDelay)
		}
	default:
		clear(b.failedIDs)
		if b.siteError != "" {
			b.siteError = ""
			b.wake()
		}
	}
}

// wake makes all calls of Wait check again.
func (b *Breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// SetClockError sets the result of ClockError. It reports whether the clock became wrong or right.
func (b *Breaker) SetClockError(reason string) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed = (reason == "") != (b.clockError == "")
	b.clockError = reason
	if changed {
		b.wake()
	}
	return changed
}

// ClockError returns why the clock of this process is wrong; empty if it is right.
func (b *Breaker) ClockError() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clockError
}

// open opens the breaker. If it is open already, the next probe is delayed again.
func (b *Breaker) open(siteError string, interval time.Duration) {
	b.siteError, b.interval = siteError, interval
	b.nextProbe = b.now().Add(interval)
}

// Open reports whether the breaker is open.
func (b *Breaker) Open() bool { return b.Reason() != "" }

// Reason returns why the breaker is open; empty if it is closed.
func (b *Breaker) Reason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.clockError, b.siteError)
}

// Wait waits until messages may be received, and returns how many: any number if the breaker is closed, one as
// a probe if it is open.
func (b *Breaker) Wait(ctx context.Context) (maxMessages int, err error) {
	for {
		maxMessages, wait, changed := b.admit()
		if wait <= 0 {
			return maxMessages, nil
		}
		if err := retry.Wait(ctx, wait, changed); err != nil {
			return 0, err
		}
	}
}

// admit returns how many messages may be received now. If wait is above 0, none may: the caller must call
// admit again after wait, or when changed is closed.
func (b *Breaker) admit() (maxMessages int, wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.clockError != "":
		return 0, time.Hour, b.changed // SetClockError closes changed
	case b.siteError == "":
		return math.MaxInt, 0, nil
	}
	now := b.now()
	if wait := b.nextProbe.Sub(now); wait > 0 {
		return 0, wait, b.changed
	}
	b.nextProbe = now.Add(b.interval)
	return 1, 0, nil
}
