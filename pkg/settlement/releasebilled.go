package settlement

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// minRemaining is the minimum time from the start of a release to the expiry of the invoice's items. A release
// needs them to its end, and DynamoDB may delete them once they expired.
const minRemaining = 7 * 24 * time.Hour

// decideReleaseBilled decides about an invoice that is finished, or that is rejected with billed events and holds
// no claims. The error is a *Refusal.
func decideReleaseBilled(record billing.Record, order Order, now time.Time) (releaseAction, error) {
	id := record.InvoiceID
	expiry := time.Unix(record.UpdatedAt, 0).Add(retention) // of the items, if the invoice is finished
	switch {
	case record.Outcome == billing.Released:
		return nothingClaimed, nil
	case !record.HasBilled():
		return nothingClaimed, refusef("%s is finished (%s): no events are billed on it", id, record.Outcome)
	case record.State == billing.Finished && now.After(expiry.Add(-minRemaining)):
		return nothingClaimed, refusef("%s is settled, and the ledger keeps its events only until %s: write them again under new event ids", id, formatTime(expiry))
	case order.Reason == "" && order.NotCharged == "":
		return nothingClaimed, refusef("%s is finished (%s), and its events are billed: if its invoice was voided or deleted in Chargebee, state why with --reason-note", id, record.Outcome)
	default:
		return readFinal, nil
	}
}

// releaseBilled starts to release the events of a settled invoice. Chargebee must list the invoice as voided or
// deleted, or an operator must assert that it does not charge the events. The release is refused if their lines
// are on an invoice that is neither voided nor deleted.
//
// An invoice that was left open may have been closed manually. Its final invoice has another id, and Chargebee
// may list the draft as deleted. So a deleted draft suffices only if a line has a marker, by which the final
// invoice would be found. The release also waits until that must be visible.
func (r *releaser) releaseBilled(ctx context.Context, started time.Time) error {
	record := r.record()
	id, isDraft := record.CurrentInvoiceID(), record.FinalInvoiceID == ""
	withdrawn := false
	var search finalSearch
	err := untilAnswered(func() (err error) {
		if withdrawn, err = r.isWithdrawn(ctx, id); err == nil {
			search, err = r.findFinal(ctx, withoutWithdrawn)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case search.best != nil:
		return refusef("the lines of %s are on %s, which is %s: its events stay billed", record.InvoiceID, search.best.ID, search.best.Status)
	case search.unreadable:
		return refusef("an invoice that may have the lines of %s is listed, and cannot be read: try again later", record.InvoiceID)
	case r.assertedNotCharged: // the operator has checked it
	case !withdrawn:
		return refusef("Chargebee does not show %s as voided or deleted: if its lines are on no other invoice, state with --assert-not-charged how you know", id)
	case isDraft && !hasMarkers(r.plan):
		return refusef("%s is deleted, or closed under another id: its lines have no marker by which the other invoice is found. If no invoice has them, state with --assert-not-charged how you know", id)
	}
	if isDraft {
		if err := r.awaitFinal(ctx, started); err != nil {
			return err
		}
	}
	// The end of the release sets the TTL of the items again. Until then the previous TTL is valid (minRemaining).
	r.lease.keepUpdatedAt = false
	return r.lease.commit(ctx, func(step *billing.Step) {
		step.Record.State, step.Record.Outcome = billing.Releasing, billing.Released
		step.Record.Dispositions = billing.RepeatDisposition(billing.NotCharged, len(r.plan.Lines))
		step.Record.ProcessedPages, step.Record.MissingSince, step.Record.ExpiresAt = 0, 0, 0
		step.Record.Detail = r.detail(r.found.Detail)
	})
}

// isWithdrawn reports whether Chargebee lists an invoice as voided or deleted. If it is listed as neither, the
// error is a *Refusal. A list is used, because a read does not return deleted invoices.
// https://apidocs.chargebee.com/docs/api/invoices/delete-an-invoice
func (r *releaser) isWithdrawn(ctx context.Context, id string) (bool, error) {
	page, err := r.listInvoices(ctx, &billing.InvoiceQuery{InvoiceID: id, IncludeDeleted: true})
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(page.Invoices, func(listed billing.Invoice) bool { return listed.ID == id })
	if at < 0 {
		return false, nil
	}
	if listed := page.Invoices[at]; !listed.IsWithdrawn() { //mutant:release-billed-withdrawn
		return false, refusef("%s is %s at Chargebee, and charges its events: void or delete it first, and run this again", id, listed.Status)
	}
	return true, nil
}

// hasMarkers reports whether a charge of the plan has a marker, by which a final invoice is recognised.
func hasMarkers(plan billing.Plan) bool {
	return slices.ContainsFunc(plan.Lines, func(line billing.Line) bool { return line.IsCharge() && line.Marker != "" })
}

// awaitFinal returns a deferral if reads that began at started may have been too early: the draft may have been
// closed and not deleted, and its final invoice not be visible yet.
func (r *releaser) awaitFinal(ctx context.Context, started time.Time) error {
	if err := r.recordMissing(ctx, r.Now()); err != nil {
		return err
	}
	confirmedAt := r.Settings.missingConfirmedAt(r.record())
	if !started.Before(confirmedAt) {
		return nil
	}
	return r.explainDelay(r.deferUntil(confirmedAt, "the draft is no longer pending, and its final invoice may not be visible yet"))
}
