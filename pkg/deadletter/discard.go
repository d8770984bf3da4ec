package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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

	// Typed are attributes that are no strings; their values are base64.
	Typed map[string]queue.Attribute `json:"typed_attributes,omitempty"`
}

// ErrReleaseRefused says that the claims of an invoice cannot be given back safely.
var ErrReleaseRefused = errors.New("the claims cannot be given back safely")

// Releaser gives the claimed events of an invoice back, so that another invoice bills
// them.
type Releaser interface {
	// Release returns nil only if nothing is claimed for the invoice anymore. Errors:
	// ErrReleaseRefused, with the reason, if an event may have been charged or it is not
	// known; others are passing faults.
	Release(ctx context.Context, invoiceID string) error
}

// Discarder takes dead letters away for good.
type Discarder struct {
	Box

	Archive  Archive
	Releaser Releaser // nil: letters whose invoices hold claims are refused

	releasing sync.Mutex // two letters may be about one invoice
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
// holds claims is refused, unless they can be released first: without it nothing leads to
// the claimed events anymore, and they are never billed.
//
// Errors: those of Letters and Heads, ErrNoFilter and ErrPartial.
func (d *Discarder) Run(ctx context.Context, disposal Disposal, progress Progress) (Result, error) {
	if disposal.Empty() {
		return Result{}, ErrNoFilter
	}
	discard := &work{
		Box: d.Box, filter: disposal.Filter, dryRun: disposal.DryRun, progress: progress,
		decide: d.decide,
		turn:   func(ctx context.Context, _ Action) error { return context.Cause(ctx) },
		carryOut: func(ctx context.Context, action Action, letter queue.Message) error {
			switch action {
			case Released:
				if err := d.release(ctx, letter); err != nil {
					return err
				}
				return d.discard(ctx, letter, disposal.Note)
			case Discarded:
				return d.discard(ctx, letter, disposal.Note)
			default:
				return nil
			}
		},
	}
	return discard.run(ctx)
}

func (d *Discarder) decide(letter Letter) Action {
	switch {
	case !letter.holdsClaims:
		return Discarded
	case d.Releaser == nil:
		return Refused
	default:
		return Released
	}
}

// release has the claims of the letter's invoice given back, unless that was done
// meanwhile for another letter of it.
func (d *Discarder) release(ctx context.Context, message queue.Message) error {
	d.releasing.Lock()
	defer d.releasing.Unlock()
	letter := read(message)
	if _, _, err := letter.consult(ctx, d.Records); err != nil || !letter.holdsClaims {
		return err
	}
	if err := d.Releaser.Release(ctx, *letter.InvoiceID); err != nil {
		return fmt.Errorf("release %s: %w", *letter.InvoiceID, err)
	}
	return nil
}

func (d *Discarder) discard(ctx context.Context, letter queue.Message, note string) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	if err := d.Archive.Keep(d.kept(letter, note)); err != nil {
		return fmt.Errorf("keep message %s: %w", letter.ID, err)
	}
	return d.Remover.Delete(ctx, letter)
}

func (d *Discarder) kept(letter queue.Message, note string) Kept {
	return Kept{
		DiscardedAt: d.Now().UTC(), Note: note,
		MessageID: letter.ID, GroupID: letter.GroupID, Attributes: letter.Attributes, Typed: letter.OtherAttributes, Body: string(letter.Body),
	}
}
