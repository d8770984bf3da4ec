package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// commitTimeout bounds one write of the head with its repetitions. A write is not
// cut short when the handling is: it would leave behind a head of unknown content.
const commitTimeout = 10 * time.Second

var commitBackoff = retry.Backoff{First: 20 * time.Millisecond, Max: time.Second}

// lease is one handling's hold on the head of an invoice. All of the handling's
// writes of the head, the heartbeat's too, go through it one after the other: each
// is conditioned on the one before, so that a holder whose lease was taken over
// can change nothing anymore.
type lease struct {
	ledger Ledger
	now    func() time.Time
	length time.Duration

	// silent holders send nothing to Chargebee: their writes leave the time alone at
	// which somebody who does last wrote the head.
	keepUpdatedAt bool

	locked    chan struct{}  // held while a write is under way; guards the fields below
	record    billing.Record // as last written
	expiresAt time.Time      // when the lease ends, with monotonic clock reading
	lost      bool           // lost or given up: no further write
}

func newLease(ledger Ledger, now func() time.Time, length time.Duration) *lease {
	return &lease{ledger: ledger, now: now, length: length, locked: make(chan struct{}, 1)}
}

// current returns the head as last written.
func (l *lease) current() billing.Record {
	l.locked <- struct{}{}
	defer func() { <-l.locked }()
	return l.record
}

// commit writes the head, and with it whatever change puts into the step. It
// extends the lease unless change ends it.
func (l *lease) commit(ctx context.Context, change func(*billing.Step)) error {
	l.locked <- struct{}{}
	defer func() { <-l.locked }()
	return l.write(ctx, change)
}

// beat extends the lease, unless a write did so lately.
func (l *lease) heartbeat(ctx context.Context) error {
	l.locked <- struct{}{}
	defer func() { <-l.locked }()
	if l.lost || l.remaining() > l.length*7/10 {
		return nil
	}
	return l.write(ctx, func(*billing.Step) {})
}

// ensure makes sure that the lease lasts at least as long as the given time.
func (l *lease) ensure(ctx context.Context, atLeast time.Duration) error {
	l.locked <- struct{}{}
	defer func() { <-l.locked }()
	if !l.lost && l.remaining() >= atLeast {
		return nil
	}
	return l.write(ctx, func(*billing.Step) {})
}

// remaining is how long the lease still lasts, by the clock that says least.
func (l *lease) remaining() time.Duration {
	now := l.now()
	return min(l.expiresAt.Sub(now), l.expiresAt.Round(0).Sub(now.Round(0)))
}

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

	err := l.commitWithRetry(ctx, step)
	if err == nil {
		l.record, l.expiresAt = step.Record, now.Add(l.length)
		l.lost = step.Record.Owner == ""
		return nil
	}
	// Otherwise nothing was written, and the head is still ours; except that a busy
	// ledger may have taken the write or not.
	l.lost = errors.Is(err, billing.ErrFenced) || errors.Is(err, billing.ErrBusy)
	return fmt.Errorf("write the head of %s: %w", step.Record.InvoiceID, err)
}

// repeat commits the step until the ledger takes or refuses it. A busy ledger is
// no lost lease.
func (l *lease) commitWithRetry(ctx context.Context, step billing.Step) error {
	busy := func(err error) bool { return errors.Is(err, billing.ErrBusy) }
	_, err := retry.Do(ctx, commitBackoff, busy, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.ledger.Commit(ctx, step)
	})
	return err
}
