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
	planned, charges := plannedCharges(record)
	var plan billing.Plan
	if planned && charges {
		plan, err = ledger.Plan(ctx, record.InvoiceID, record.Epoch)
	}
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil
	case err == nil && planned:
		m.ChargeAtRisk = new(chargeAtRisk(record, plan))
	}
	return err
}

// plannedCharges reports whether the record has a valid plan, and whether charges of it may not be billed yet.
func plannedCharges(record billing.Record) (planned, charges bool) {
	switch activeState(record) {
	case billing.Claiming, billing.Releasing: // there is no plan yet, or it was discarded
		return false, false
	case billing.Finished:
		return true, false
	case billing.Settling:
		return true, record.Dispositions.Has(billing.ChargeUnknown)
	default:
		return true, true
	}
}

// chargeAtRisk returns the total, in minor units, of the lines whose events are claimed and not billed:
// nothing bills them unless the message is replayed. It includes lines on a draft that is not closed. It
// excludes released events, which the next invoice bills.
func chargeAtRisk(record billing.Record, plan billing.Plan) int64 {
	if _, charges := plannedCharges(record); !charges {
		return 0
	}
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
