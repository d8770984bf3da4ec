package deadletter

import (
	"context"
	"errors"

	"github.com/billable-events/billable/pkg/billing"
)

// addRecordAndCharge sets the fields that depend on the record of the invoice, and the charge at risk.
func (m *Message) addRecordAndCharge(ctx context.Context, ledger Ledger) error {
	record, ok, err := m.addRecord(ctx, ledger)
	if err != nil || !ok {
		return err
	}
	hasPlan, atRisk := linesAtRisk(record)
	if !hasPlan {
		return nil
	}
	var plan billing.Plan
	if atRisk {
		plan, err = ledger.Plan(ctx, record.InvoiceID, record.Epoch)
	}
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	m.ChargeAtRisk = new(chargeAtRisk(record, plan))
	return nil
}

// linesAtRisk reports whether the epoch of the record has a plan, and whether lines of the plan are at risk.
func linesAtRisk(record billing.Record) (hasPlan, atRisk bool) {
	switch activeState(record) {
	case billing.Claiming, billing.Releasing: // there is no plan yet, or it was discarded
		return false, false
	case billing.Finished: // nothing is at risk, also if there was no plan
		return true, false
	case billing.Settling:
		return true, record.Dispositions.Has(billing.ChargeUnknown)
	default:
		return true, true
	}
}

// chargeAtRisk returns the total, in minor units, of the lines that are at risk: without the message, their events
// stay claimed and nothing bills them. A line is at risk before the draft is closed, even if it is on the draft.
// Later, it is at risk only if its disposition is unknown: a line that was not charged is left to the next invoice.
func chargeAtRisk(record billing.Record, plan billing.Plan) int64 {
	if _, atRisk := linesAtRisk(record); !atRisk {
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

// activeState returns the state of the invoice; if it is rejected, the state in which a later message resumes it.
func activeState(record billing.Record) billing.State {
	if record.State == billing.Rejected {
		return record.Resume
	}
	return record.State
}
