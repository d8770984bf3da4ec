package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
)

// errDone says that the ledger knows the invoice as finished.
var errDone = errors.New("settlement: the invoice is finished")

// newerVersionWait is how long a message of a newer program waits for one.
const newerVersionWait = time.Minute

// taking is how a head is taken.
type taking struct {
	fresh   bool // begin a new epoch
	doubt   bool // a call of the last holder may be on its way
	recheck bool // stay rejected until the lines were looked at
}

// decideTaking says how the head that was found (ok) is to be taken at now, or why
// it cannot be.
func decideTaking(head billing.Head, ok bool, now time.Time) (taking, error) {
	switch {
	case !ok:
		return taking{fresh: true}, nil
	case head.Version > billing.HeadVersion:
		return taking{}, wait(newerVersionWait, fmt.Sprintf("the ledger's version %d is newer than this program", head.Version))
	case head.State == billing.Finished:
		return taking{}, errDone
	case head.Owner != "" && now.Unix() < head.LeaseUntil:
		return taking{}, wait(time.Unix(head.LeaseUntil, 0).Sub(now)+time.Second, "another handling holds the invoice")
	case head.State == billing.Rejected && (head.Resume == billing.Claiming || released(head.Verdict)):
		return taking{fresh: true}, nil
	default:
		return taking{doubt: head.Sending(), recheck: head.State == billing.Rejected}, nil
	}
}

// released tells whether a verdict gave every line's events back.
func released(verdict string) bool {
	return verdict != "" && !slices.ContainsFunc([]byte(verdict), func(letter byte) bool { return letter != billing.Released })
}

// take makes this handling the owner of the invoice's head.
func (h *handling) take(ctx context.Context, webhook event.Event) error {
	found, ok, err := h.Ledger.Head(ctx, webhook.Invoice.ID)
	if err != nil {
		return fmt.Errorf("read the head of %s: %w", webhook.Invoice.ID, err)
	}
	h.lease.head = found
	how, err := decideTaking(found, ok, h.Now())
	switch {
	case errors.Is(err, errDone):
		h.lease.over = true
		return nil
	case err != nil:
		h.lease.over = true
		return err
	}
	if how.fresh {
		return h.open(ctx, webhook)
	}
	h.manifest, err = h.Claims.Manifest(ctx, found.InvoiceID, found.Epoch)
	if err != nil {
		h.lease.over = true
		return fmt.Errorf("read the manifest of %s: %w", found.InvoiceID, err)
	}
	h.added, h.recheck = found.Cursor, how.recheck
	return h.lease.commit(ctx, func(step *billing.Step) {
		h.own(&step.Head)
		step.Head.Doubt = step.Head.Doubt || how.doubt
		if how.recheck {
			step.Head.Attempts = 1 // counted anew
		}
	})
}

// open takes the head and begins a new epoch with what the message says.
func (h *handling) open(ctx context.Context, webhook event.Event) error {
	manifest, err := h.describe(ctx, webhook.Invoice)
	if err != nil {
		h.lease.over = true
		return err
	}
	manifest.Epoch = billing.NewToken()
	manifest.ClaimedAt = h.Now().Unix()
	h.manifest = manifest
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Head = billing.Head{ // nothing of an earlier epoch stays but the fence
			InvoiceID:  manifest.InvoiceID,
			State:      billing.Claiming,
			Epoch:      manifest.Epoch,
			Generation: step.Head.Generation,
			Write:      step.Head.Write,
			LeaseUntil: step.Head.LeaseUntil,
			UpdatedAt:  step.Head.UpdatedAt,
			Version:    billing.HeadVersion,
		}
		h.own(&step.Head)
		step.Manifest = &manifest
	})
}

// own makes the head this handling's. Every handling counts as an attempt until it
// gets somewhere.
func (h *handling) own(head *billing.Head) {
	head.Owner = billing.NewToken()
	head.Generation++
	head.Attempts++
}

// describe makes the manifest of what the message says. Chargebee is asked only
// for what the message lacks.
func (h *handling) describe(ctx context.Context, invoice event.Invoice) (billing.Manifest, error) {
	manifest := billing.Manifest{
		InvoiceID:      invoice.ID,
		Date:           invoice.Date,
		CurrencyCode:   invoice.CurrencyCode,
		CustomerID:     invoice.CustomerID,
		SubscriptionID: invoice.SubscriptionID,
		Unconfirmed:    invoice.Status != billing.StatusPending,
	}
	complete := invoice.LineItems != nil
	var subscriptions []string
	for _, line := range invoice.LineItems {
		manifest.LineIDs = append(manifest.LineIDs, line.ID)
		subscriptions = append(subscriptions, line.SubscriptionID)
		complete = complete && line.ID != ""
	}
	manifest.Subscriptions = subscriptionsOf(invoice.SubscriptionID, subscriptions)
	if complete && len(manifest.Subscriptions) > 0 {
		return manifest, nil
	}

	read, err := h.readInvoice(ctx, invoice.ID)
	if failure, ok := asFailure(err); ok && failure.Kind == billing.Missing {
		manifest.Unconfirmed = true
		return manifest, nil
	}
	if err != nil {
		return manifest, err
	}
	manifest.Unconfirmed = read.Status != billing.StatusPending
	manifest.LineIDs, subscriptions = nil, nil
	for _, line := range read.Lines {
		manifest.LineIDs = append(manifest.LineIDs, line.ID)
		subscriptions = append(subscriptions, line.SubscriptionID)
	}
	manifest.SubscriptionID = read.SubscriptionID
	manifest.Subscriptions = subscriptionsOf(read.SubscriptionID, subscriptions)
	return manifest, nil
}

// subscriptionsOf returns the subscriptions whose events an invoice bills: its own,
// or else those of its lines.
func subscriptionsOf(own string, ofLines []string) []string {
	if own != "" {
		return []string{own}
	}
	subscriptions := slices.DeleteFunc(slices.Clone(ofLines), func(id string) bool { return id == "" })
	slices.Sort(subscriptions)
	return slices.Compact(subscriptions)
}
