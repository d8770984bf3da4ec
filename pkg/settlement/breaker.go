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

// outageCalls is the number of consecutive calls without an answer, each for another invoice, after
// which Chargebee counts as down.
const outageCalls = 5

// Breaker is a circuit breaker. While Chargebee does not answer or refuses the credentials, it is open:
// the consumer receives one message per interval, as a probe, so that messages do not use up their
// attempts. The first answer closes it. While the clock of the process is wrong, it is open without
// probes.
type Breaker struct {
	now func() time.Time

	mu         sync.Mutex
	reason     string          // why it is open because of Chargebee; empty otherwise
	interval   time.Duration   // between probes
	probe      time.Time       // when the next one may pass
	unanswered map[string]bool // invoices of consecutive calls without an answer
	clock      string          // why the clock of this process is wrong; empty if it is right
	changed    chan struct{}   // closed and replaced when Wait must check again
}

// NewBreaker returns a closed breaker.
func NewBreaker(now func() time.Time) *Breaker {
	return &Breaker{now: now, unanswered: map[string]bool{}, changed: make(chan struct{})}
}

// Record records the result of a call for the invoice.
func (b *Breaker) Record(invoiceID string, err error) {
	failure, failed := asFailure(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && !failed:
		return // nothing was sent
	case failed && failure.Kind == billing.Unauthorized:
		b.open("Chargebee refuses the credentials or the site: "+failure.Code, unauthorizedDelay)
	case failed && failure.Kind == billing.Transient, failed && failure.Kind == billing.Unknown:
		b.unanswered[invoiceID] = true
		if len(b.unanswered) >= outageCalls {
			b.open("Chargebee does not answer", outageDelay)
		}
	default:
		clear(b.unanswered)
		if b.reason != "" {
			b.reason = ""
			b.wake()
		}
	}
}

// wake makes all calls of Wait check again.
func (b *Breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// SetClockError sets why the clock of this process is wrong; empty if it is right. It reports whether the
// clock became wrong or right.
func (b *Breaker) SetClockError(reason string) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed = (reason == "") != (b.clock == "")
	b.clock = reason
	if changed {
		b.wake()
	}
	return changed
}

// ClockError returns why the clock of this process is wrong; empty if it is right.
func (b *Breaker) ClockError() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *Breaker) open(reason string, interval time.Duration) {
	b.reason, b.interval = reason, interval
	b.probe = b.now().Add(interval)
}

// Open reports whether the breaker is open.
func (b *Breaker) Open() bool { return b.Reason() != "" }

// Reason returns why the breaker is open. It is empty if it is closed.
func (b *Breaker) Reason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.clock, b.reason)
}

// Wait returns how many messages may be received: any number while the breaker is closed, otherwise
// one, once this caller may probe.
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

// admit returns how many messages may be received, or how long to wait.
func (b *Breaker) admit() (maxMessages int, wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.clock != "":
		return 0, time.Hour, b.changed // or until it is right
	case b.reason == "":
		return math.MaxInt, 0, nil
	}
	now := b.now()
	if wait := b.probe.Sub(now); wait > 0 {
		return 0, wait, b.changed
	}
	b.probe = now.Add(b.interval)
	return 1, 0, nil
}
