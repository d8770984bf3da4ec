package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// Archive stores discarded messages.
type Archive interface {
	// Add returns nil only if the message is stored durably.
	Add(message ArchivedMessage) error
}

// ArchivedMessage is a discarded message, with everything that Restore needs.
type ArchivedMessage struct {
	DiscardedAt time.Time         `json:"discarded_at"`
	Note        string            `json:"note"`
	MessageID   string            `json:"message_id"`
	GroupID     string            `json:"group_id,omitempty"`
	Attributes  map[string]string `json:"attributes"`
	Body        string            `json:"body"`

	// Typed are the attributes that are not strings. JSON has their values in base64.
	Typed map[string]queue.Attribute `json:"typed_attributes,omitempty"`
}

// ErrReleaseRefused means that the claims of an invoice must not be released, or that there is no Releaser.
var ErrReleaseRefused = errors.New("claims are not released")

// Releaser ends the claims of an invoice: charged events become billed, all others are released.
type Releaser interface {
	// Release returns nil only if no event is claimed for the invoice anymore; in a dry run, if a release
	// would have this effect. It returns ErrReleaseRefused if the state of the invoice forbids a release, for
	// example because an event may have been charged.
	Release(ctx context.Context, invoiceID string, dryRun bool) error
}

// Discarder archives and deletes dead letters.
type Discarder struct {
	Queue

	Archive  Archive
	Releaser Releaser // nil: messages whose invoices hold claims are refused

	releasing sync.Mutex // serializes releases: two messages may have the same invoice
}

// DiscardOptions are the options of Discarder.Run.
type DiscardOptions struct {
	Filter
	Note   string // the operator's reason, for the archive
	DryRun bool   // change nothing
}

// ErrNoFilter means that a discard has no filter, and would discard all messages.
var ErrNoFilter = errors.New("a filter is required to discard dead letters")

// Run archives and deletes the selected messages. A message whose invoice holds claims is discarded only after
// the claims are released, and otherwise kept: without the message, the claimed events would never be billed.
//
// Errors: those of Messages and Records, ErrNoFilter, ErrPartial and ErrRefused.
func (d *Discarder) Run(ctx context.Context, options DiscardOptions, progress Progress) (Result, error) {
	if options.IsEmpty() {
		return Result{}, ErrNoFilter
	}
	r := &runner{Queue: d.Queue, operation: discard{d, options.Note}, filter: options.Filter, dryRun: options.DryRun, progress: progress}
	return r.run(ctx)
}

// discard is the operation of a Discarder.
type discard struct {
	*Discarder

	note string
}

func (d discard) decide(message Message) Action {
	switch {
	case !message.holdsClaims:
		return Discarded
	case d.Releaser == nil:
		return Refused
	default:
		return Released
	}
}

func (discard) isIgnored(queue.Message) bool { return false }

func (discard) waitTurn(ctx context.Context, _ Action) error { return context.Cause(ctx) }

func (discard) waitReady(context.Context, func(string)) error { return nil }

func (d discard) apply(ctx context.Context, action Action, message queue.Message) error {
	switch action {
	case Released:
		if err := d.release(ctx, message); err != nil {
			return err
		}
		return d.archiveAndDelete(ctx, message)
	case Discarded:
		return d.archiveAndDelete(ctx, message)
	default:
		return d.predict(ctx, action, message)
	}
}

func (d discard) predict(ctx context.Context, action Action, received queue.Message) error {
	if action == Discarded {
		return nil
	}
	id := *describe(received).InvoiceID
	if action == Refused {
		return fmt.Errorf("%w: only this message leads to the events that are claimed for %s: use --release, or consumer invoice release %s", ErrReleaseRefused, id, id)
	}
	return d.Releaser.Release(ctx, id, true)
}

// release releases the claims of the message's invoice, if any are left.
func (d discard) release(ctx context.Context, received queue.Message) error {
	d.releasing.Lock()
	defer d.releasing.Unlock()
	message := describe(received)
	if _, _, err := message.addRecord(ctx, d.Records); err != nil || !message.holdsClaims {
		return err
	}
	if err := d.Releaser.Release(ctx, *message.InvoiceID, false); err != nil {
		return fmt.Errorf("release %s: %w", *message.InvoiceID, err)
	}
	return nil
}

func (d discard) archiveAndDelete(ctx context.Context, message queue.Message) error {
	ctx, cancel := withMessageTimeout(ctx)
	defer cancel()
	err := d.Archive.Add(ArchivedMessage{
		DiscardedAt: d.Now().UTC(), Note: d.note,
		MessageID: message.ID, GroupID: message.GroupID, Attributes: message.Attributes, Typed: message.OtherAttributes, Body: string(message.Body),
	})
	if err != nil {
		return fmt.Errorf("archive message %s: %w", message.ID, err)
	}
	return d.Remover.Delete(ctx, message)
}
