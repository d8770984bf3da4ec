package settlement

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
)

// gone decides what became of the lines of a draft that no longer exists or is no
// longer pending. It returns errAnew when it decided.
func (h *handling) gone(ctx context.Context) error {
	started := h.Now()
	if h.head().GoneAt == 0 {
		err := h.lease.commit(ctx, func(step *billing.Step) {
			h.record(step)
			step.Head.GoneAt = started.Unix()
		})
		if err != nil {
			return err
		}
	}
	_, gone, err := h.readDraft(ctx)
	if err != nil {
		return err
	}
	if !gone { // a stale read: the work goes on
		if err := h.lease.commit(ctx, func(step *billing.Step) { step.Head.GoneAt = 0 }); err != nil {
			return err
		}
		return errAnew
	}
	return h.judge(ctx, started)
}

// judge looks for the draft's successor and writes the verdict on each line.
func (h *handling) judge(ctx context.Context, started time.Time) error {
	judgement, finalInvoiceID, err := h.weigh(ctx, started)
	if err != nil {
		return err
	}
	h.recheck = false
	if err := h.finish(ctx, judgement, finalInvoiceID); err != nil {
		return err
	}
	return errAnew
}

// weigh looks for the draft's successor and decides on each line. What follows from not
// finding something counts only in reads that began when everything must have shown.
func (h *handling) weigh(ctx context.Context, started time.Time) (judgement billing.Judgement, finalInvoiceID string, err error) {
	successor, vanished, err := h.successor(ctx)
	if err != nil {
		return judgement, "", err
	}
	judgement = h.judgement(successor)
	if vanished && !judgement.Certain {
		return judgement, "", wait(h.Settings.LateBound, "an invoice that may be the successor is listed, and cannot be read")
	}
	// The ledger keeps whole seconds: the next one is surely not before the draft was gone.
	decidable := time.Unix(h.head().GoneAt+1, 0).Add(h.Settings.LateBound + h.Settings.MaxSkew)
	if !judgement.Certain && started.Before(decidable) {
		return judgement, "", h.until(decidable, "the draft is gone, and what became of its lines does not show yet")
	}
	if successor != nil {
		finalInvoiceID = successor.ID
	}
	return judgement, finalInvoiceID, nil
}

// judgement is the verdict on the lines as of the head, with the given successor.
func (h *handling) judgement(successor *billing.Invoice) billing.Judgement {
	head := h.head()
	return billing.Judge(billing.Evidence{
		Lines:      h.plan.Lines,
		Cursor:     max(head.Cursor, h.added),
		Doubt:      head.Sending() && h.added <= head.Cursor,
		Closing:    head.State == billing.Closing || head.Resume == billing.Closing,
		Previous:   head.Verdict,
		LineIDs:    h.manifest.LineIDs,
		Successor:  successor,
		NotCharged: h.notCharged,
	})
}

// successor finds the invoice that the draft became, with all its lines: the one
// that bears our unique marks, or else lines that stood on the draft. It is nil when
// there is none. vanished says that one was listed that was not there when its lines
// were read: the list or the read does not show yet what happened to it.
func (h *handling) successor(ctx context.Context) (found *billing.Invoice, vanished bool, err error) {
	after := time.Unix(h.manifest.ClaimedAt, 0).Add(-h.Settings.MaxSkew - time.Second)
	query := billing.InvoiceQuery{CustomerID: h.manifest.CustomerID, UpdatedAfter: after.Unix()}
	best := 0
	for {
		page, err := h.listInvoices(ctx, query)
		if err != nil {
			return nil, false, err
		}
		for _, invoice := range page.Invoices {
			if invoice.Status == billing.StatusPending {
				continue
			}
			if shown := len(invoice.Lines); shown == 0 || shown >= billing.ShortAnswer { // a list may not show all lines
				invoice, err = h.readInvoice(ctx, invoice.ID)
				if notThere(err) {
					vanished = true
					continue
				}
				if err != nil {
					return nil, false, err
				}
			}
			if likeness := h.likeness(invoice); likeness > best {
				best, found = likeness, &invoice
			}
		}
		if page.Next == "" {
			return found, vanished, nil
		}
		query.Offset = page.Next
	}
}

// likeness is how much an invoice looks like the draft's successor: any unique mark of
// ours counts for more than all the lines that stood on the draft before. Other marks
// count nothing: an invoice that bears one may be a twin that charges other events, and
// ours would be billed without having been charged.
func (h *handling) likeness(invoice billing.Invoice) int {
	likeness := 0
	for _, line := range invoice.Lines {
		if slices.Contains(h.manifest.LineIDs, line.ID) {
			likeness++
		}
	}
	marks := invoice.Marks(h.manifest.LineIDs)
	for _, line := range h.plan.Lines {
		if mark := line.Mark(); mark.Unique() {
			likeness += (len(h.manifest.LineIDs) + 1) * marks[mark]
		}
	}
	return likeness
}

func (h *handling) listInvoices(ctx context.Context, query billing.InvoiceQuery) (billing.InvoicePage, error) {
	if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
		return billing.InvoicePage{}, err
	}
	var page billing.InvoicePage
	err := h.call(ctx, func(ctx context.Context, permit *pace.Permit) (err error) {
		page, err = h.Invoices.CustomerInvoices(ctx, permit, query)
		h.Breaker.Record(h.manifest.InvoiceID, err)
		return err
	})
	if failure, ok := asFailure(err); ok {
		return page, h.failedRead(failure)
	}
	return page, err
}
