package settlement

import (
	"context"
	"fmt"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// ReleaseUnrecorded releases events that are claimed for an invoice and are on no page of it, for example
// because the ledger was restored to an earlier moment. It reads the whole events table. It returns the
// number of events; in a dry run, of those that it would release.
//
// Nothing is known about the lines of such a claim: on a pending draft there must be none with a marker of a
// plan, and everything else needs an operator's assertion. Errors are those of Release.
func (s *Settler) ReleaseUnrecorded(ctx context.Context, order Order) (released int, err error) {
	found, ok, err := s.Ledger.Record(ctx, order.InvoiceID)
	if err != nil {
		return 0, fmt.Errorf("read the record of %s: %w", order.InvoiceID, err)
	}
	now := s.Now()
	if ok && found.IsLeased(now) {
		return 0, errLeased(found)
	}
	r := s.newReleaser(order, found)
	r.lease.keepUpdatedAt = ok
	err = r.lease.commit(ctx, func(step *billing.Step) { // fences all other sessions
		if ok {
			setOwner(&step.Record)
			return
		}
		r.applyNewEpoch(step)
		step.Record.Detail = r.detail("claimed without a record")
	})
	if err != nil {
		return 0, err
	}
	released, err = r.releaseUnrecorded(ctx)
	// On an error the lease expires.
	_ = r.lease.commit(ctx, func(step *billing.Step) {
		endLease(&step.Record)
		if !ok {
			applyRejection(step, billing.Claiming)
		}
	})
	return released, err
}

func (r *releaser) releaseUnrecorded(ctx context.Context) (released int, err error) {
	events, err := r.unrecordedEvents(ctx)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if err := r.checkUnrecorded(ctx); err != nil {
		return 0, err
	}
	for page := range slices.Chunk(events, billing.MaxPageEvents) {
		if err := r.lease.commit(ctx, func(step *billing.Step) { step.Release = page }); err != nil {
			return released, err
		}
		released += len(page)
	}
	return released, nil
}

// unrecordedEvents returns the events that are claimed for the invoice and are on no page of its epoch, or
// that the ledger has as released.
func (r *releaser) unrecordedEvents(ctx context.Context) ([]billing.EventKey, error) {
	recorded := map[billing.EventKey]bool{}
	pages := r.found.Pages
	if r.found.ClaimsReleased() {
		pages = 0
	}
	for number := range pages {
		page, err := r.readPage(ctx, r.found, number)
		if err != nil {
			return nil, err
		}
		for _, event := range page.Events {
			recorded[event.EventKey] = true
		}
	}
	var unrecorded []billing.EventKey
	for claimed, err := range r.Events.Claimed(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read claimed events: %w", err)
		}
		if claimed.InvoiceID == r.order.InvoiceID && !recorded[claimed.EventKey] {
			unrecorded = append(unrecorded, claimed.EventKey)
		}
	}
	return unrecorded, nil
}

// checkUnrecorded refuses the release while a line of a claim that the ledger does not have is, or may be,
// on the invoice.
func (r *releaser) checkUnrecorded(ctx context.Context) error {
	var draft billing.Invoice
	var missing bool
	err := untilAnswered(func() (err error) {
		draft, missing, err = r.readDraft(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if line, marked := draft.FindMarkedLine(); marked && r.found.Epoch == "" {
		return refusef("%s has the line %q of a plan that the ledger does not have: remove it, or close the invoice in Chargebee if its charges are right", draft.ID, line.Description)
	}
	if r.assertedNotCharged {
		return nil
	}
	added := slices.ContainsFunc(draft.Lines, func(line billing.InvoiceLine) bool {
		return line.EntityType == billing.EntityAdHoc || line.EntityType == billing.EntityChargeItemPrice
	})
	if missing || added || r.found.Epoch != "" {
		return refusef("the claimed events may be charged on %s, which is %s: check the customer's invoices, and if they are not charged, state with --assert-not-charged how you know", r.order.InvoiceID, statusOrMissing(draft))
	}
	return nil
}
