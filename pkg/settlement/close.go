package settlement

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
)

// close closes the invoice. A draft closes once, so the call needs no window: after
// any failure the draft itself says whether it was closed.
func (h *handling) close(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	if h.head().GoneAt != 0 {
		return h.gone(ctx)
	}
	if err := h.lease.ensure(ctx, h.Settings.beforePermit()); err != nil {
		return err
	}
	var closed billing.Invoice
	err := h.call(ctx, func(ctx context.Context, permit *pace.Permit) (err error) {
		if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
			return err
		}
		closed, err = h.Charger.Close(ctx, permit, billing.Close{
			InvoiceID:      h.manifest.InvoiceID,
			IdempotencyKey: billing.CloseKey(h.manifest.InvoiceID, h.manifest.Epoch),
		})
		h.Breaker.Record(h.manifest.InvoiceID, err)
		return err
	})
	if failure, ok := asFailure(err); ok {
		return h.fail(ctx, closing, failure)
	}
	if err != nil {
		return err
	}
	return h.closed(ctx, closed)
}

// closed checks the closed invoice as any successor of a draft is checked. An answer
// that may not show all lines is read again by the id that it names.
func (h *handling) closed(ctx context.Context, invoice billing.Invoice) error {
	stands := h.stands(invoice)
	if !stands && len(invoice.Lines) >= billing.ShortAnswer {
		read, err := h.readInvoice(ctx, invoice.ID)
		if err != nil && !notThere(err) {
			return err
		}
		stands = err == nil && h.stands(read)
	}
	if !stands {
		return h.gone(ctx)
	}
	return h.finish(ctx, billing.Judgement{Outcome: billing.Closed}, invoice.ID)
}

// stands tells whether all that the plan charges stands on the closed invoice.
func (h *handling) stands(invoice billing.Invoice) bool {
	judgement := h.judgement(&invoice)
	return judgement.Outcome == billing.Closed || judgement.Outcome == billing.Gone
}
