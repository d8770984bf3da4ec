package settlement

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// close closes the invoice. A draft closes once, so the call may be repeated at any time.
// While the key is remembered, the repeated call is answered with the final invoice.
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
	key := billing.CloseKey(h.manifest.InvoiceID, h.manifest.Epoch, h.head().CloseRefusals)
	var closed billing.Invoice
	err := h.call(ctx, func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
			return err
		}
		closed, err = h.Charger.Close(ctx, permit, billing.Close{InvoiceID: h.manifest.InvoiceID, IdempotencyKey: key})
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

// closed checks the closed invoice as any successor of a draft is checked. The answer may
// lack lines: where one of ours is missing, the invoice is read by the id in the answer.
func (h *handling) closed(ctx context.Context, invoice billing.Invoice) error {
	complete := h.hasAllCharges(invoice)
	if !complete {
		read, err := h.readInvoice(ctx, invoice.ID)
		//mutant:closed-missing
		if notThere(err) { // the repeated close is answered with its id, which nothing else may lead to
			return wait(h.Settings.MaxEffectDelay, invoice.ID+" does not show yet")
		}
		if err != nil { //mutant:closed-unread
			return err
		}
		complete = h.hasAllCharges(read)
	}
	if !complete {
		return h.gone(ctx)
	}
	return h.finish(ctx, billing.ReconcileResult{Outcome: billing.Closed}, invoice.ID)
}

// hasAllCharges reports whether the closed invoice has everything that the plan charges.
func (h *handling) hasAllCharges(invoice billing.Invoice) bool {
	judgement := h.judgement(&invoice)
	return judgement.Outcome == billing.Closed || judgement.Outcome == billing.Gone //mutant:closed-complete
}
