package settlement

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// closeInvoice closes the invoice. A draft can be closed only once, so that the call may be repeated at any
// time. While Chargebee remembers the key, it answers a repeated call with the final invoice.
func (s *session) closeInvoice(ctx context.Context) error {
	if err := s.loadPlan(ctx); err != nil {
		return err
	}
	if s.record().MissingSince != 0 {
		return s.resolveMissing(ctx)
	}
	if err := s.lease.ensure(ctx, s.Settings.minLeaseForPermit()); err != nil {
		return err
	}
	key := billing.CloseKey(s.manifest.InvoiceID, s.manifest.Epoch, s.record().CloseRefusals)
	var closed billing.Invoice
	err := s.call(ctx, func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
			return err
		}
		closed, err = s.Charger.Close(ctx, permit, billing.Close{InvoiceID: s.manifest.InvoiceID, IdempotencyKey: key})
		s.Breaker.Record(s.manifest.InvoiceID, err)
		return err
	})
	if failure, ok := asFailure(err); ok {
		return s.recoverFrom(ctx, opClose, failure)
	}
	if err != nil {
		return err
	}
	return s.checkClosed(ctx, closed)
}

// checkClosed compares the invoice in the response to a close with the plan. The response may lack lines: if a
// charge is missing, checkClosed reads the invoice by its id in the response.
func (s *session) checkClosed(ctx context.Context, invoice billing.Invoice) error {
	complete := s.hasAllCharges(invoice)
	if !complete {
		read, err := s.readInvoice(ctx, invoice.ID)
		//mutant:closed-missing
		if isNotFound(err) { // not resolveMissing: only the response of the repeated close is certain to have the id
			return deferFor(s.Settings.MaxEffectDelay, invoice.ID+" is not visible yet")
		}
		if err != nil { //mutant:closed-unread
			return err
		}
		complete = s.hasAllCharges(read)
	}
	if !complete {
		return s.resolveMissing(ctx)
	}
	return s.startSettling(ctx, billing.ReconcileResult{Outcome: billing.Closed}, invoice.ID)
}

// hasAllCharges reports whether the closed invoice has all charges of the plan. If the plan has no charges, Reconcile
// returns the outcome Gone, and nothing can be missing.
func (s *session) hasAllCharges(invoice billing.Invoice) bool {
	result := s.reconcileWith(&invoice)
	return result.Outcome == billing.Closed || result.Outcome == billing.Gone //mutant:closed-complete
}
