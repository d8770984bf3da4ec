package settlement

import (
	"context"
	"fmt"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// ReleaseUnrecorded releases events that are claimed for an invoice and are on no page of it, for example
// because the ledger was restored to an earlier time. It reads the whole events table. It returns the record
// after the release, and the number of events that were released, or in a dry run would be.
//
// The ledger does not have the lines of such events, so that the draft must show whether they were charged:
//
//	no epoch in the ledger, and the draft has a line with a marker         the release is refused
//	no epoch in the ledger, and the draft is pending without added lines   the events are released
//	anything else                                                          an operator's assertion is needed
func (s *Settler) ReleaseUnrecorded(ctx context.Context, order Order) (record billing.Record, released int, err error) {
	found, exists, err := s.Ledger.Record(ctx, order.InvoiceID)
	switch {
	case err != nil:
		return found, 0, fmt.Errorf("read the record of %s: %w", order.InvoiceID, err)
	case found.SchemaVersion > billing.SchemaVersion:
		return found, 0, errNewerSchema(found)
	case found.IsLeased(s.Now()):
		return found, 0, errLeased(found)
	}
	r := s.newReleaser(order, found)
	r.lease.keepUpdatedAt = exists // until events are released
	if err := r.acquireUnrecorded(ctx, exists); err != nil {
		return found, 0, r.explainFenced(err)
	}
	released, err = r.releaseUnrecorded(ctx)
	r.endUnrecorded(ctx, exists, released)
	if !order.DryRun {
		found = r.record()
	}
	return found, released, r.explainFenced(err)
}

// acquireUnrecorded acquires the record, which fences all other sessions. If there is none, it creates one.
func (r *releaser) acquireUnrecorded(ctx context.Context, exists bool) error {
	return r.lease.commit(ctx, func(step *billing.Step) {
		if exists {
			setOwner(&step.Record)
			return
		}
		r.applyNewEpoch(step)
		step.Record.Detail = "claimed without a record"
	})
}

// endUnrecorded ends the lease. It rejects a record that acquireUnrecorded created, so that the next message begins
// a new epoch.
func (r *releaser) endUnrecorded(ctx context.Context, exists bool, released int) {
	// If this fails, the lease expires.
	_ = r.lease.commit(ctx, func(step *billing.Step) {
		if exists {
			endLease(&step.Record)
		} else {
			applyRejection(step, billing.Claiming)
		}
		if released > 0 {
			step.Record.Detail = r.detail(step.Record.Detail)
		}
	})
}

// releaseUnrecorded finds the events and releases them, under the lease.
func (r *releaser) releaseUnrecorded(ctx context.Context) (released int, err error) {
	events, err := r.unrecordedEvents(ctx)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if err := r.checkUnrecorded(ctx); err != nil {
		return 0, err
	}
	r.lease.keepUpdatedAt = false
	for chunk := range slices.Chunk(events, billing.MaxPageEvents) {
		if err := r.lease.commit(ctx, func(step *billing.Step) {
			step.Release = chunk
			if step.Record.Pages == 0 { // makes the next epoch wait: see decideAcquire
				step.Record.ProcessedPages++
			}
		}); err != nil {
			return released, err
		}
		released += len(chunk)
	}
	return released, nil
}

// unrecordedEvents returns the events that are claimed for the invoice and are on no page of its epoch. The pages
// of an epoch whose claims were released do not count.
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

// checkUnrecorded refuses the release as ReleaseUnrecorded documents. If the record has an epoch, lines with
// markers may be those of its plan.
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
