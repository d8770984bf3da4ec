package settlement

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// outageCalls is how many calls in a row, for as many invoices, must go without an
// answer until Chargebee counts as down for everybody.
const outageCalls = 5

// Breaker keeps a pod from taking messages while Chargebee answers nobody or
// refuses the pod's credentials, so that waiting uses up no message's attempts.
// While it is open, one message per interval passes as a probe; the first answer
// closes it.
type Breaker struct {
	now func() time.Time

	mu       sync.Mutex
	reason   string          // why it is open; empty: closed
	interval time.Duration   // between probes
	probe    time.Time       // when the next one may pass
	silent   map[string]bool // invoices whose calls went unanswered in a row
	changed  chan struct{}   // closed and replaced when the breaker closes
}

// NewBreaker returns a closed breaker.
func NewBreaker(now func() time.Time) *Breaker {
	return &Breaker{now: now, silent: map[string]bool{}, changed: make(chan struct{})}
}

// Record takes note of how a call for the invoice ended.
func (b *Breaker) Record(invoiceID string, err error) {
	failure, failed := asFailure(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && !failed:
		return // nothing was sent
	case failed && failure.Kind == billing.Unauthorized:
		b.open("Chargebee refuses the credentials or the site: "+failure.Code, unauthorizedWait)
	case failed && failure.Kind == billing.Transient, failed && failure.Kind == billing.Unknown:
		b.silent[invoiceID] = true
		if len(b.silent) >= outageCalls {
			b.open("Chargebee does not answer", outageWait)
		}
	default:
		clear(b.silent)
		if b.reason != "" {
			b.reason = ""
			close(b.changed)
			b.changed = make(chan struct{})
		}
	}
}

func (b *Breaker) open(reason string, interval time.Duration) {
	b.reason, b.interval = reason, interval
	b.probe = b.now().Add(interval)
}

// Open tells whether the breaker is open.
func (b *Breaker) Open() bool { return b.Reason() != "" }

// Reason says why the breaker is open; it is empty when it is closed.
func (b *Breaker) Reason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason
}

// Wait returns how many messages may be taken: any number, at once, while the breaker
// is closed; otherwise one, when it is this caller's turn to probe.
func (b *Breaker) Wait(ctx context.Context) (most int, err error) {
	for {
		most, wait, changed := b.admit()
		if wait <= 0 {
			return most, nil
		}
		if err := retry.Wait(ctx, wait, changed); err != nil {
			return 0, err
		}
	}
}

// admit returns how long to wait; 0 lets the caller pass with so many messages.
func (b *Breaker) admit() (most int, wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason == "" {
		return math.MaxInt, 0, nil
	}
	now := b.now()
	if wait := b.probe.Sub(now); wait > 0 {
		return 0, wait, b.changed
	}
	b.probe = now.Add(b.interval)
	return 1, 0, nil
}
