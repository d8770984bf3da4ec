package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// commitTimeout is the maximum time of one write of the record with its retries. The end of the session
// does not cancel a write: whether a canceled write was applied would be unknown.
const commitTimeout = 10 * time.Second

var commitBackoff = retry.Backoff{First: 20 * time.Millisecond, Max: time.Second}

// lease is a session's ownership of the record of an invoice.
//
//	acquire ──▶ renew (each write, and the heartbeat) ──▶ release
//	                      │
//	                      └──▶ expire: another session acquires, and this one is fenced
//
// All writes of a session go through its lease, one at a time. Each sets a new version and is
// conditioned on the version of the write before. After another session acquired the record, every
// write of this one fails with billing.ErrFenced.
type lease struct {
	ledger Ledger
	now    func() time.Time
	length time.Duration

	// keepUpdatedAt makes writes leave Record.UpdatedAt unchanged. An operator's release sets it until it has
	// decided: its writes must not move the time from which Settings.allVisibleAt counts, which is the last write
	// of a session that sends.
	keepUpdatedAt bool

	// mutex guards the fields below from the first heartbeat on, and is held during a write. It is a channel
	// because a sync.Mutex that is held during I/O would stop the clock of tests in virtual time.
	mutex     chan struct{}
	record    billing.Record // as last read or written
	expiresAt time.Time      // with monotonic clock reading
	lost      bool           // the session has no lease, or not for certain: write returns ErrFenced
}

func newLease(ledger Ledger, now func() time.Time, length time.Duration) *lease {
	return &lease{ledger: ledger, now: now, length: length, mutex: make(chan struct{}, 1)}
}

func (l *lease) lock() (unlock func()) {
	l.mutex <- struct{}{}
	return func() { <-l.mutex }
}

// current returns the record as this session last read or wrote it.
func (l *lease) current() billing.Record {
	defer l.lock()()
	return l.record
}

// commit writes a step with the record, after change was applied to it. It renews the lease unless change
// ends it.
func (l *lease) commit(ctx context.Context, change func(*billing.Step)) error {
	defer l.lock()()
	return l.write(ctx, change)
}

// heartbeat renews the lease, unless it is lost or a write renewed it recently. The next heartbeat comes within
// a third of l.length.
func (l *lease) heartbeat(ctx context.Context) error {
	defer l.lock()()
	if l.lost || l.remaining() > l.length*7/10 {
		return nil
	}
	return l.write(ctx, func(*billing.Step) {})
}

// ensure renews the lease if less than minRemaining is left of it. It returns billing.ErrFenced if the lease
// is lost.
func (l *lease) ensure(ctx context.Context, minRemaining time.Duration) error {
	defer l.lock()()
	if !l.lost && l.remaining() >= minRemaining {
		return nil
	}
	return l.write(ctx, func(*billing.Step) {})
}

// remaining returns the smaller of the remaining times of the lease by the wall clock and by the monotonic
// clock.
func (l *lease) remaining() time.Duration {
	now := l.now()
	return min(l.expiresAt.Sub(now), l.expiresAt.Round(0).Sub(now.Round(0)))
}

// write is commit with the mutex held.
func (l *lease) write(ctx context.Context, change func(*billing.Step)) error {
	if l.lost {
		return billing.ErrFenced
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()

	now := l.now()
	step := billing.Step{PreviousVersion: l.record.Version, Record: l.record}
	step.Record.Version = billing.NewToken() //mutant:write-token
	if !l.keepUpdatedAt {
		step.Record.UpdatedAt = now.Unix()
	}
	step.Record.LeaseUntil = now.Add(l.length).Unix()
	change(&step)

	busy := func(err error) bool { return errors.Is(err, billing.ErrBusy) }
	_, err := retry.Do(ctx, commitBackoff, busy, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.ledger.Commit(ctx, step)
	})
	if err == nil {
		l.record, l.expiresAt = step.Record, now.Add(l.length)
		l.lost = step.Record.Owner == ""
		return nil
	}
	// After ErrFenced another session has the lease. After ErrBusy the write may have been applied: the version of the
	// record is unknown. After any other error nothing was written, and the session still has the lease.
	l.lost = errors.Is(err, billing.ErrFenced) || errors.Is(err, billing.ErrBusy)
	return fmt.Errorf("write the record of %s: %w", step.Record.InvoiceID, err)
}
