package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
)

// checkWithdrawn reports invoices that Chargebee shows as voided or deleted, and whose events are billed.
func (s *sweep) checkWithdrawn(ctx context.Context) error {
	found := tally{amounts: map[string]int64{}}
	err := s.CallSite(ctx, func(site Site) error {
		changed := billing.InvoiceQuery{UpdatedAfter: s.began.Add(-s.options.ChangedWithin).Unix(), IncludeDeleted: true}
		for invoice, err := range invoices(ctx, site, changed) {
			if err == nil && invoice.IsWithdrawn() {
				err = s.checkWithdrawnInvoice(ctx, invoice, &found)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	// If the check failed, what it had found counts.
	s.addTally(found, finding.Finding{
		Name: "voided_after_billing", Level: finding.Error,
		Message:  "invoices with billed events are voided or deleted at Chargebee",
		Solution: "consumer invoice release ID --reason-note WHY checks that nothing charges the events, and with --yes lets the next invoice bill them",
	})
	if err != nil {
		return fmt.Errorf("check voided invoices: %w", err)
	}
	return nil
}

// checkWithdrawnInvoice counts an invoice that was voided or deleted, if its events are still billed.
func (s *sweep) checkWithdrawnInvoice(ctx context.Context, invoice billing.Invoice, found *tally) error {
	record, recorded, err := s.Ledger.FindRecord(ctx, invoice.ID)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", invoice.ID, err)
	}
	// If a draft became a final invoice, the charges are on the final invoice, and the draft may be deleted.
	isCurrent := record.CurrentInvoiceID() == invoice.ID
	if !recorded || !record.HasBilled() || !isCurrent {
		return nil
	}
	plan, err := s.Ledger.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return fmt.Errorf("read the plan of %s: %w", record.InvoiceID, err)
	}
	for i, line := range plan.Lines {
		if line.IsCharge() && record.Dispositions.IsCharged(i) {
			found.amounts[invoice.CurrencyCode] += line.Amount
		}
	}
	found.add(invoice.ID, invoice.SubscriptionID, time.Unix(invoice.Date, 0).UTC())
	return nil
}
