package settlement

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// verify looks for every line that was added in an answer that shows the invoice:
// each must stand on it once.
func (h *handling) verify(ctx context.Context, invoice billing.Invoice) error {
	h.shown = true
	missing, err := h.compare(invoice)
	switch {
	case err != nil || missing == "":
		return err
	case len(invoice.Lines) >= billing.ShortAnswer:
		h.unproven = true // it may not show all lines: prove looks at them once, before closing
		return nil
	default:
		return h.confirm(ctx)
	}
}

// prove makes sure, before closing, that every line stands on the invoice where no
// answer of this handling showed it.
func (h *handling) prove(ctx context.Context) error {
	if !h.sentAny() || h.shown && !h.unproven {
		return nil
	}
	if err := h.note(ctx); err != nil {
		return err
	}
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	h.shown, h.unproven = true, false
	missing, err := h.compare(draft)
	if err != nil || missing == "" {
		return err
	}
	return h.confirm(ctx)
}

// confirm decides on a line that was not shown: only when it is still absent from a
// read at a time by which it must show, it was removed.
func (h *handling) confirm(ctx context.Context) error {
	if err := h.note(ctx); err != nil {
		return err
	}
	if err := retry.Wait(ctx, h.Settings.LateBound, nil); err != nil {
		return err
	}
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	missing, err := h.compare(draft)
	if err == nil && missing != "" {
		err = &billing.Rejection{
			Reason: billing.LineRemoved,
			Detail: fmt.Sprintf("the line %s is no longer on %s", missing, draft.ID),
		}
	}
	return err
}

// compare counts the marks of the added lines. It returns one that is missing, and
// rejects one that stands more than once.
func (h *handling) compare(invoice billing.Invoice) (missing string, err error) {
	marks := invoice.Marks(h.manifest.LineIDs)
	for _, line := range h.plan.Lines[:h.added] {
		if line.Amount == 0 {
			continue
		}
		switch count := marks[line.Mark()]; {
		case count > 1:
			return "", duplicate(line.Mark(), count, invoice.ID)
		case count == 0:
			missing = line.Mark().String()
		}
	}
	return missing, nil
}

// duplicate rejects an invoice on which a line stands more than once.
func duplicate(mark billing.Mark, count int, invoiceID string) error {
	return &billing.Rejection{
		Reason: billing.DuplicateLine,
		Detail: fmt.Sprintf("the line %s stands %d times on %s", mark, count, invoiceID),
	}
}
