package settlement

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// gone decides what became of the lines of a draft that no longer exists or is no
// longer pending. It returns errAnew when it decided.
func (h *session) resolveMissing(ctx context.Context) error {
	started := h.Now()
	if h.record().MissingSince == 0 {
		err := h.lease.commit(ctx, func(step *billing.Step) {
			h.applyProgress(step)
			step.Record.MissingSince = started.Unix()
		})
		if err != nil {
			return err
		}
	}
	_, gone, err := h.readDraft(ctx)
	if err != nil {
		return err
	}
	//mutant:draft-gone
	if !gone { // a stale read: the work goes on
		if err := h.clearMissing(ctx); err != nil {
			return err
		}
		return errReload
	}
	return h.reconcile(ctx, started)
}

// judge looks for the draft's successor and writes the verdict on each line.
func (h *session) reconcile(ctx context.Context, started time.Time) error {
	result, finalInvoiceID, err := h.reconcileWhenVisible(ctx, started)
	if err != nil {
		return err
	}
	h.recheck = false
	if err := h.startSettling(ctx, result, finalInvoiceID); err != nil {
		return err
	}
	return errReload
}

// weigh looks for the draft's successor and decides on each line. What follows from not
// finding something counts only in reads that began when everything must have shown.
func (h *session) reconcileWhenVisible(ctx context.Context, started time.Time) (result billing.ReconcileResult, finalInvoiceID string, err error) {
	final, vanished, err := h.findFinal(ctx)
	if err != nil {
		return result, "", err
	}
	result = h.reconcileWith(final)
	if vanished && !result.Certain {
		return result, "", deferFor(h.Settings.MaxEffectDelay, "an invoice that may be the successor is listed, and cannot be read")
	}
	if shows := h.Settings.missingConfirmedAt(h.record()); !result.Certain && started.Before(shows) { //mutant:gone-shows
		return result, "", h.deferUntil(shows, "the draft is gone, and what became of its lines does not show yet")
	}
	if final != nil {
		finalInvoiceID = final.ID
	}
	return result, finalInvoiceID, nil
}

// judgement decides on the lines as of the head, with the given successor.
func (h *session) reconcileWith(final *billing.Invoice) billing.ReconcileResult {
	record := h.record()
	return billing.Reconcile(billing.ReconcileInput{
		Lines:      h.plan.Lines,
		Cursor:     max(record.Cursor, h.added),
		InDoubt:    record.IsSending() && h.added <= record.Cursor,
		Closing:    record.State == billing.Closing || record.Resume == billing.Closing,
		Previous:   record.Dispositions,
		Originals:  h.manifest.Originals,
		Final:      final,
		NotCharged: h.assertedNotCharged,
	})
}

// successor returns the invoice that the draft became, with all its lines: the one that has
// our markers, or else lines that were on the draft before ours. It is nil when there is
// none. vanished reports that one was listed and could not be read: the list or the read does
// not show yet what happened to it.
func (h *session) findFinal(ctx context.Context) (found *billing.Invoice, vanished bool, err error) {
	after := time.Unix(h.manifest.ClaimedAt, 0).Add(-h.Settings.MaxSkew - time.Second)
	query := billing.InvoiceQuery{CustomerID: h.manifest.CustomerID, UpdatedAfter: after.Unix()}
	best := 0
	for {
		if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
			return nil, false, err
		}
		page, err := h.listInvoices(ctx, &query)
		if err != nil {
			return nil, false, err
		}
		for _, listed := range page.Invoices {
			if listed.Status == billing.StatusPending {
				continue
			}
			invoice, err := h.withAllLines(ctx, listed, best)
			switch {
			case isNotFound(err):
				vanished = true
			case err != nil:
				return nil, false, err
			default:
				if likeness := h.similarity(invoice); likeness > best {
					best, found = likeness, &invoice
				}
			}
		}
		if page.Next == "" {
			return found, vanished, nil
		}
		query.Offset = page.Next
	}
}

// whole returns a listed invoice with all its lines. The list may lack some: what is likely
// the successor is read, and what the list does not show enough of.
func (h *session) withAllLines(ctx context.Context, listed billing.Invoice, best int) (billing.Invoice, error) {
	if len(listed.Lines) > 0 && !listed.MayLackLines() && h.similarity(listed) <= best {
		return listed, nil
	}
	if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
		return listed, err
	}
	return h.readInvoice(ctx, listed.ID)
}

// likeness is how much an invoice looks like the draft's successor: any marker of ours counts
// for more than all the lines that were on the draft before. Lines of item prices count
// nothing: an invoice with an equal one may charge other events, and ours would be billed
// without having been charged.
func (h *session) similarity(invoice billing.Invoice) int {
	likeness := 0
	for _, line := range invoice.Lines {
		if slices.ContainsFunc(h.manifest.Originals, func(original billing.InvoiceLine) bool { return original.ID == line.ID }) {
			likeness++
		}
	}
	found := billing.Recognize(invoice, h.plan.Lines, h.manifest.Originals)
	for i, line := range h.plan.Lines {
		if line.Marker != "" {
			likeness += (len(h.manifest.Originals) + 1) * found.Counts[i]
		}
	}
	return likeness
}
