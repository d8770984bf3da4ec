package deadletter

import (
	"context"
	"crypto/sha256"

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

	Source            Source
	RateLimit         RateLimit
	RequestsPerMinute int // chargebee.requests_per_minute
}

// Order is what shall be replayed.
type Order struct {
	Filter
	DropDone bool // letters of invoices that are billed are deleted
	DryRun   bool // nothing is changed
}

// Run replays what is ordered, no faster than the consumers may call Chargebee for it,
// and not at all while calls are stopped; what is skipped or dropped takes none of that
// time. A letter is deleted once the queue has it, so a crash may leave it in both; the
// ledger makes what is handled twice harmless. It may be started again at any time. What
// comes back while it runs, because it failed once more, is left alone.
//
// Errors: those of Letters, Heads and RateLimit, and ErrPartial.
func (r *Replayer) Run(ctx context.Context, order Order, progress Progress) (Result, error) {
	pacer := &pacer{rateLimit: r.RateLimit, perMinute: r.RequestsPerMinute, now: r.Now}
	replayed := counts{}
	replay := &work{
		Box: r.Box, filter: order.Filter, dryRun: order.DryRun, progress: progress,
		decide: order.decide, carryOut: r.carryOut, passOver: replayed.again, ready: pacer.ready,
		turn: func(ctx context.Context, action Action) error {
			if action == Replayed {
				return pacer.turn(ctx)
			}
			return nil
		},
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
	ctx, cancel := finishing(ctx)
	defer cancel()
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

// counts are how often the letters that were seen had been replayed, by their bodies.
type counts map[[sha256.Size]byte]int

// again tells whether the letter was replayed while this runs, and has failed once more:
// it has an equal that was replayed less often. One as often replayed is a copy of the
// message, for delivery is at least once.
func (c counts) again(letter queue.Message) bool {
	digest, count := sha256.Sum256(letter.Body), letter.ReplayCount()
	before, seen := c[digest]
	if seen && before < count {
		return true
	}
	c[digest] = count
	return false
}
