package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Archive keeps what is discarded.
type Archive interface {
	// Keep returns nil only if the letter will outlast a crash.
	Keep(letter Kept) error
}

// Kept is a letter as it is kept: with it the message can be made again.
type Kept struct {
	DiscardedAt time.Time         `json:"discarded_at"`
	Note        string            `json:"note"`
	MessageID   string            `json:"message_id"`
	GroupID     string            `json:"group_id,omitempty"`
	Attributes  map[string]string `json:"attributes"`
	Body        string            `json:"body"`
}

// Discarder takes dead letters away for good.
type Discarder struct {
	Box

	Archive Archive
}

// Disposal is what shall be discarded.
type Disposal struct {
	Filter
	Note   string // why, for whoever wonders
	DryRun bool   // nothing is changed
}

// ErrNoFilter refuses to discard everything.
var ErrNoFilter = errors.New("what shall be discarded has to be chosen by a filter")

// Run discards what is chosen, each letter once the archive has it. One whose invoice
// holds claims is refused: without it nothing leads to the claimed events anymore, and
// they are never billed. progress, which may be nil, is told of each step; it may be
// called by several goroutines.
//
// Errors: those of Letters and Heads, ErrNoFilter and ErrPartial.
func (d *Discarder) Run(ctx context.Context, disposal Disposal, progress func(Step)) (Result, error) {
	if disposal.Empty() {
		return Result{}, ErrNoFilter
	}
	discard := &work{
		Box: d.Box, filter: disposal.Filter, dryRun: disposal.DryRun, progress: progress,
		decide: func(letter Letter) Action {
			if letter.holdsClaims {
				return Refused
			}
			return Discarded
		},
		carryOut: func(ctx context.Context, action Action, letter queue.Message) error {
			if action != Discarded {
				return nil
			}
			if err := d.Archive.Keep(d.kept(letter, disposal.Note)); err != nil {
				return fmt.Errorf("keep message %s: %w", letter.ID, err)
			}
			return d.Remover.Delete(ctx, letter)
		},
	}
	return discard.run(ctx)
}

func (d *Discarder) kept(letter queue.Message, note string) Kept {
	return Kept{
		DiscardedAt: d.Now().UTC(), Note: note,
		MessageID: letter.ID, GroupID: letter.GroupID, Attributes: letter.Attributes, Body: string(letter.Body),
	}
}

// holdsClaims tells whether events are claimed for the invoice: all states but the ends
// in which there is nothing, or nothing anymore, to give back.
func holdsClaims(head billing.Head) bool {
	released := head.State == billing.Rejected && head.Resume == billing.Claiming
	return head.State != billing.Finished && !released
}
