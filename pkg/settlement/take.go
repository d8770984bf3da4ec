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

// releaseShows is how long the index may take to show events that were given back. A
// new epoch that began sooner could miss them, and close the invoice without them.
const releaseShows = 10 * time.Second

// taking is how a head is taken.
type taking struct {
	fresh   bool // begin a new epoch
	doubt   bool // a call of the last holder may be on its way
	recheck bool // stay rejected until the lines were looked at
}

// decideTaking says how the head that was found (ok) is to be taken at now, or why
// it cannot be. Whoever wrote it may have had a clock that differs by skew.
func decideTaking(head billing.Head, ok bool, now time.Time, skew time.Duration) (taking, error) {
	shows := time.Unix(head.UpdatedAt+1, 0).Add(releaseShows + skew)
	switch {
	case !ok:
		return taking{fresh: true}, nil
	case head.Version > billing.NewestHeadVersion:
		return taking{}, wait(newerVersionWait, fmt.Sprintf("the ledger's version %d is newer than this program", head.Version))
	case head.State == billing.Finished:
		return taking{}, errDone
	case head.Owner != "" && now.Unix() < head.LeaseUntil:
		return taking{}, wait(time.Unix(head.LeaseUntil, 0).Sub(now)+time.Second, "another handling holds the invoice")
	case head.GivenBack():
		if head.Pages > 0 && now.Before(shows) {
			return taking{}, wait(shows.Sub(now), "the index may not show yet what was given back")
		}
		return taking{fresh: true}, nil
	default:
		return taking{doubt: head.Sending(), recheck: head.State == billing.Rejected}, nil
	}
}

// take makes this handling the owner of the invoice's head.
func (h *handling) take(ctx context.Context) error {
	found, ok, err := h.Ledger.Head(ctx, h.invoice.ID)
	if err != nil {
		return fmt.Errorf("read the head of %s: %w", h.invoice.ID, err)
	}
	h.lease.head = found
	how, err := decideTaking(found, ok, h.Now(), h.Settings.MaxSkew)
	switch {
	case errors.Is(err, errDone):
		h.lease.over = true
		return nil
	case err != nil:
		h.lease.over = true
		return err
	}
	if how.fresh {
		err = h.open(ctx)
	} else {
		h.added, h.recheck = found.Cursor, how.recheck
		err = h.lease.commit(ctx, func(step *billing.Step) {
			h.own(&step.Head)
			step.Head.Doubt = step.Head.Doubt || how.doubt
		})
	}
	h.lease.over = err != nil // what was not taken is not ours to give up
	return err
}

// loadManifest reads the manifest of the epoch that the head was found in, if it has
// one. It does so under the lease, so that one that cannot be read is an attempt.
func (h *handling) loadManifest(ctx context.Context) error {
	head := h.head()
	if head.Epoch == h.manifest.Epoch {
		return nil
	}
	manifest, err := h.Claims.Manifest(ctx, head.InvoiceID, head.Epoch)
	if err != nil {
		return fmt.Errorf("read the manifest of %s: %w", head.InvoiceID, err)
	}
	h.manifest = manifest
	return nil
}

// open takes the head and begins a new epoch with what the message says. If that is
// not enough, the head is taken without one: Chargebee is asked under the lease, so
// that what it answers can end the handling in every way.
func (h *handling) open(ctx context.Context) error {
	manifest, complete := describe(h.invoice)
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Head = billing.Head{ // nothing of an earlier epoch stays but the fence
			InvoiceID:  h.invoice.ID,
			State:      billing.Claiming,
			Generation: step.Head.Generation,
			Write:      step.Head.Write,
			LeaseUntil: step.Head.LeaseUntil,
			UpdatedAt:  step.Head.UpdatedAt,
			Version:    billing.HeadVersion,
		}
		h.own(&step.Head)
		if complete {
			h.begin(step, manifest)
		}
	})
}

// ask begins the epoch of an invoice about which the message does not say all.
func (h *handling) ask(ctx context.Context) error {
	manifest, _ := describe(h.invoice)
	read, err := h.readInvoice(ctx, h.invoice.ID)
	switch {
	case notThere(err):
		manifest.Unconfirmed = true
	case err != nil:
		return err
	default:
		manifest = learn(manifest, read)
	}
	return h.lease.commit(ctx, func(step *billing.Step) { h.begin(step, manifest) })
}

// begin puts the beginning of an epoch into a step.
func (h *handling) begin(step *billing.Step, manifest billing.Manifest) {
	manifest.Epoch = billing.NewToken()
	manifest.ClaimedAt = step.Head.UpdatedAt
	h.manifest = manifest
	step.Manifest, step.Head.Epoch = &manifest, manifest.Epoch
}

// own makes the head this handling's. Every handling counts as an attempt until it
// gets somewhere.
func (h *handling) own(head *billing.Head) {
	hold(head)
	head.Attempts++
}

// hold gives the head a new owner, and fences off the one before.
func hold(head *billing.Head) {
	head.Owner = billing.NewToken()
	head.Generation++
}

// describe makes a manifest of what the message says, and tells whether that is all
// that has to be known.
func describe(invoice event.Invoice) (manifest billing.Manifest, complete bool) {
	manifest = billing.Manifest{
		InvoiceID:      invoice.ID,
		Date:           invoice.Date,
		CurrencyCode:   invoice.CurrencyCode,
		CustomerID:     invoice.CustomerID,
		SubscriptionID: invoice.SubscriptionID,
		Unconfirmed:    invoice.Status != billing.StatusPending,
	}
	complete = invoice.LineItems != nil && invoice.Date > 0 // no event is before a date of nothing
	var subscriptions []string
	for _, line := range invoice.LineItems {
		manifest.LineIDs = append(manifest.LineIDs, line.ID)
		subscriptions = append(subscriptions, line.SubscriptionID)
		complete = complete && line.ID != ""
	}
	manifest.Subscriptions = subscriptionsOf(invoice.SubscriptionID, subscriptions)
	return manifest, complete && len(manifest.Subscriptions) > 0
}

// learn puts into a manifest what Chargebee shows.
func learn(manifest billing.Manifest, read billing.Invoice) billing.Manifest {
	manifest.Unconfirmed = read.Status != billing.StatusPending
	if manifest.Date <= 0 {
		manifest.Date = read.Date
	}
	manifest.LineIDs = nil
	var subscriptions []string
	for _, line := range read.Lines {
		manifest.LineIDs = append(manifest.LineIDs, line.ID)
		subscriptions = append(subscriptions, line.SubscriptionID)
	}
	manifest.SubscriptionID = read.SubscriptionID
	manifest.Subscriptions = subscriptionsOf(read.SubscriptionID, subscriptions)
	return manifest
}

// told makes a manifest of what Chargebee shows.
func told(read billing.Invoice) billing.Manifest {
	return learn(billing.Manifest{
		InvoiceID:    read.ID,
		CurrencyCode: read.CurrencyCode,
		CustomerID:   read.CustomerID,
	}, read)
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
