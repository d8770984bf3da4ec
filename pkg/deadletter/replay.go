package deadletter

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Source is the queue that dead letters come from.
type Source interface {
	// Redrive puts a dead letter back into the queue, without what its burial added. It
	// returns nil only if the queue has it.
	Redrive(ctx context.Context, letter queue.Message) error
}

// Replayer puts dead letters back into the queue that they come from.
type Replayer struct {
	Box

	Source Source
}

// Order is what shall be replayed.
type Order struct {
	Filter
	DropDone bool // letters of invoices that are billed are deleted
	DryRun   bool // nothing is changed
}

// Run replays what is ordered. A letter is deleted once the queue has it, so a crash may
// leave it in both; the ledger makes what is handled twice harmless. It may be started
// again at any time. What comes back while it runs, because it failed once more, is left
// alone. progress, which may be nil, is told of each step; it may be called by several
// goroutines.
//
// Errors: those of Letters and Heads, and ErrPartial.
func (r *Replayer) Run(ctx context.Context, order Order, progress func(Step)) (Result, error) {
	replay := &work{
		Box: r.Box, filter: order.Filter, dryRun: order.DryRun, progress: progress,
		decide: order.decide, carryOut: r.carryOut,
	}
	return replay.run(ctx)
}

func (o Order) decide(letter Letter) Action {
	switch {
	case letter.LedgerState != string(billing.Finished):
		return Replayed
	case o.DropDone:
		return Dropped
	default:
		return Skipped
	}
}

func (r *Replayer) carryOut(ctx context.Context, action Action, letter queue.Message) error {
	switch action {
	case Replayed:
		if err := r.Source.Redrive(ctx, letter); err != nil {
			return err
		}
		return r.Remover.Delete(ctx, letter)
	case Dropped:
		return r.Remover.Delete(ctx, letter)
	default:
		return nil
	}
}
