package settlement

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// verify looks for every line that was added in an answer that shows the invoice: each must
// be on it once. The answer may lack lines: prove reads them all once, before closing.
func (h *session) verifyLines(ctx context.Context, invoice billing.Invoice) error {
	if invoice.SubscriptionID != h.manifest.SubscriptionID { // only a read decides on that
		if err := h.saveProgress(ctx); err != nil {
			return err
		}
		var err error
		if invoice, err = h.pendingDraft(ctx); err != nil {
			return err
		}
	}
	missing, err := h.compareLines(invoice)
	h.linesSeen = true
	h.answerIncomplete = h.answerIncomplete || missing != ""
	return err
}

// prove makes sure, before closing, that every line is on the invoice where no answer to this
// session showed it.
func (h *session) verifyAllAdded(ctx context.Context) error {
	if !h.sentAny() || h.linesSeen && !h.answerIncomplete {
		return nil
	}
	if err := h.saveProgress(ctx); err != nil {
		return err
	}
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	h.linesSeen, h.answerIncomplete = true, false
	missing, err := h.compareLines(draft)
	if err != nil || missing == "" {
		return err
	}
	return h.confirmMissing(ctx)
}

// confirm decides on a line that was not shown: only when it is still absent from a
// read at a time by which it must show, it was removed.
func (h *session) confirmMissing(ctx context.Context) error {
	if err := h.saveProgress(ctx); err != nil {
		return err
	}
	if err := retry.Wait(ctx, h.Settings.MaxEffectDelay, nil); err != nil {
		return err
	}
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	missing, err := h.compareLines(draft)
	if err == nil && missing != "" {
		err = &billing.Rejection{
			Reason: billing.LineRemoved,
			Detail: fmt.Sprintf("the line %s is no longer on %s", missing, draft.ID),
		}
	}
	return err
}

// compare looks for the added lines on the invoice. It returns one that is missing, and rejects
// an invoice on which one is more than once, or that became one of other subscriptions.
func (h *session) compareLines(invoice billing.Invoice) (missing string, err error) {
	if invoice.SubscriptionID != h.manifest.SubscriptionID {
		return "", &billing.Rejection{
			Reason: billing.InvoiceChanged,
			Detail: fmt.Sprintf("%s was of subscription %q when it was planned, and is of %q: remove our lines, release its claims, then replay", invoice.ID, h.manifest.SubscriptionID, invoice.SubscriptionID),
		}
	}
	found := billing.Recognize(invoice, h.plan.Lines, h.manifest.Originals)
	for i, line := range h.plan.Lines[:h.added] {
		switch count := found.Counts[i]; {
		case !line.IsCharge():
		case count > 1:
			return "", errDuplicate(line, count, invoice.ID)
		case count == 0:
			missing = line.Identity()
		}
	}
	return missing, nil
}

// duplicate rejects an invoice that has a line more than once.
func errDuplicate(line billing.Line, count int, invoiceID string) error {
	return &billing.Rejection{
		Reason: billing.DuplicateLine,
		Detail: fmt.Sprintf("the line %s is %d times on %s", line.Identity(), count, invoiceID),
	}
}
