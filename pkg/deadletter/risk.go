package deadletter

import (
	"context"
	"errors"

	"github.com/billable-events/billable/pkg/billing"
)

// weigh adds what the ledger says of a letter, and the charge that hangs on it.
func (l *Letter) weigh(ctx context.Context, ledger Ledger) error {
	record, ok, err := l.consult(ctx, ledger)
	if err != nil || !ok {
		return err
	}
	plan, planned, err := planOf(ctx, ledger, record)
	if err == nil && planned {
		l.ChargeAtRisk = new(chargeAtRisk(record, plan))
	}
	return err
}

// planOf returns the plan that is in force; planned is false when there is none. One of
// which nothing is left to charge is not read.
func planOf(ctx context.Context, ledger Ledger, record billing.Record) (plan billing.Plan, planned bool, err error) {
	switch phase(record) {
	case billing.Claiming, billing.Releasing: // not drawn yet, or void
		return plan, false, nil
	case billing.Finished:
		return plan, true, nil
	case billing.Settling:
		if !record.Dispositions.Has(billing.ChargeUnknown) {
			return plan, true, nil
		}
	}
	plan, err = ledger.Plan(ctx, record.InvoiceID, record.Epoch)
	if errors.Is(err, billing.ErrNotFound) {
		return plan, false, nil
	}
	return plan, err == nil, err
}

// chargeAtRisk is what an invoice's plan still has to bring in, in minor units: the lines
// whose events are claimed and not billed. Nothing but the letter leads to them. That
// includes lines that stand on the draft, which nobody has closed; it excludes what was
// given back, which the next invoice bills.
func chargeAtRisk(record billing.Record, plan billing.Plan) int64 {
	var charge int64
	for i, line := range plan.Lines {
		if !line.IsCharge() {
			continue
		}
		if record.Dispositions == "" || record.Dispositions.Of(i) == billing.ChargeUnknown {
			charge += line.Amount
		}
	}
	return charge
}

// phase is the state that an invoice is in, or was when it was rejected.
func phase(record billing.Record) billing.State {
	if record.State == billing.Rejected {
		return record.Resume
	}
	return record.State
}
