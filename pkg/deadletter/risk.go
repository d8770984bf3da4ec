package deadletter

import (
	"context"
	"errors"

	"github.com/billable-events/billable/pkg/billing"
)

// addRecordAndCharge sets the fields from the invoice's record, and the charge at risk.
func (m *Message) addRecordAndCharge(ctx context.Context, ledger Ledger) error {
	record, ok, err := m.addRecord(ctx, ledger)
	if err != nil || !ok {
		return err
	}
	plan, planned, err := activePlan(ctx, ledger, record)
	if err == nil && planned {
		m.ChargeAtRisk = new(chargeAtRisk(record, plan))
	}
	return err
}

// activePlan returns the plan by which the invoice is charged. planned is false if there is none. If
// nothing is left to charge, it returns an empty plan without reading it.
func activePlan(ctx context.Context, ledger Ledger, record billing.Record) (plan billing.Plan, planned bool, err error) {
	switch activeState(record) {
	case billing.Claiming, billing.Releasing: // there is no plan yet, or it was discarded
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

// chargeAtRisk returns the total, in minor units, of the lines whose events are claimed and not billed:
// nothing bills them unless the message is replayed. It includes lines on a draft that is not closed. It
// excludes released events, which the next invoice bills.
func chargeAtRisk(record billing.Record, plan billing.Plan) int64 {
	var charge int64
	for i, line := range plan.Lines {
		if line.IsCharge() && (record.Dispositions == "" || record.Dispositions.Of(i) == billing.ChargeUnknown) {
			charge += line.Amount
		}
	}
	return charge
}

// activeState returns the state of the invoice, or the state in which it was rejected.
func activeState(record billing.Record) billing.State {
	if record.State == billing.Rejected {
		return record.Resume
	}
	return record.State
}
