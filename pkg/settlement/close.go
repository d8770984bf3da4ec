package settlement

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// close closes the invoice. A draft closes once, so the call may be repeated at any time.
// While the key is remembered, the repeated call is answered with the final invoice.
func (h *session) closeInvoice(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	if h.record().MissingSince != 0 {
		return h.resolveMissing(ctx)
	}
	if err := h.lease.ensure(ctx, h.Settings.minLeaseForPermit()); err != nil {
		return err
	}
	key := billing.CloseKey(h.manifest.InvoiceID, h.manifest.Epoch, h.record().CloseRefusals)
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
		return h.recover(ctx, opClose, failure)
	}
	if err != nil {
		return err
	}
	return h.checkClosed(ctx, closed)
}

// closed checks the closed invoice as any successor of a draft is checked. The answer may
// lack lines: where one of ours is missing, the invoice is read by the id in the answer.
func (h *session) checkClosed(ctx context.Context, invoice billing.Invoice) error {
	complete := h.hasAllCharges(invoice)
	if !complete {
		read, err := h.readInvoice(ctx, invoice.ID)
		//mutant:closed-missing
		if isNotFound(err) { // the repeated close is answered with its id, which nothing else may lead to
			return deferFor(h.Settings.MaxEffectDelay, invoice.ID+" does not show yet")
		}
		if err != nil { //mutant:closed-unread
			return err
		}
		complete = h.hasAllCharges(read)
	}
	if !complete {
		return h.resolveMissing(ctx)
	}
	return h.startSettling(ctx, billing.ReconcileResult{Outcome: billing.Closed}, invoice.ID)
}

// hasAllCharges reports whether the closed invoice has everything that the plan charges.
func (h *session) hasAllCharges(invoice billing.Invoice) bool {
	result := h.reconcileWith(&invoice)
	return result.Outcome == billing.Closed || result.Outcome == billing.Gone //mutant:closed-complete
}
