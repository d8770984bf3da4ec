package results

import (
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/settlement"
)

// Plan is the result of invoice plan: the charges of an invoice, as planned or predicted.
type Plan struct {
	InvoiceID     string         `json:"invoice_id"`
	Status        *string        `json:"status"` // at Chargebee; null if the invoice was not read or does not exist
	State         *string        `json:"state"`  // in the ledger; null without a record
	CustomerID    string         `json:"customer_id"`
	CurrencyCode  string         `json:"currency_code"`
	Date          time.Time      `json:"date"` // only events before it are billed
	Subscriptions []string       `json:"subscriptions"`
	Lines         []inspect.Line `json:"lines"` // descriptions without markers
	Total         int64          `json:"total"` // sum of the positive lines, minor units

	CarriedForward int64 `json:"carried_forward"` // sum of the negative lines, minor units: left to the next invoice

	Events     int                          `json:"events"`
	Planned    bool                         `json:"planned"` // the lines are those of the ledger, not predicted
	Prediction settlement.InvoicePrediction `json:"prediction"`
	Reason     *string                      `json:"reason"` // of a rejection, predicted or recorded
	Detail     *string                      `json:"detail"`
}

// NewPlan returns the result for a preview.
func NewPlan(preview settlement.Preview) Plan {
	plan := Plan{
		InvoiceID:     preview.Manifest.InvoiceID,
		Status:        nullable.String(preview.Status),
		State:         nullable.String(preview.Record.State),
		CustomerID:    preview.Manifest.CustomerID,
		CurrencyCode:  preview.Manifest.CurrencyCode,
		Date:          time.Unix(preview.Manifest.Date, 0).UTC(),
		Subscriptions: append([]string{}, preview.Manifest.Subscriptions...),
		Events:        preview.Events,
		Planned:       preview.Planned,
		Prediction:    preview.Prediction,
		Reason:        nullable.String(preview.Reason),
		Detail:        nullable.String(preview.Detail),
	}
	record := preview.Record
	if !preview.Planned {
		record = billing.Record{State: billing.Claiming} // shows predicted lines as planned
	}
	lines := make([]billing.Line, len(preview.Lines))
	for i, line := range preview.Lines {
		if line.IsCredit() {
			plan.CarriedForward += line.Amount
		} else {
			plan.Total += line.Amount
		}
		line.Description = line.Text()
		if !preview.Planned {
			line.Marker, line.IdempotencyKey = "", "" // the new plan will have others
		}
		lines[i] = line
	}
	plan.Lines = inspect.Lines(record, lines)
	return plan
}

// predictions describe what a message for the invoice would do.
var predictions = map[settlement.InvoicePrediction]string{
	settlement.WillClose:      "would be charged as below, and closed",
	settlement.WillLeaveOpen:  "would be charged as below, and left open by the settings",
	settlement.WillBeEmpty:    "would not be changed: Chargebee does not close an invoice without lines",
	settlement.WillReject:     "would be rejected",
	settlement.WillFindClosed: "would be finished: it was closed or deleted in Chargebee, and there is nothing to charge",
	settlement.WillResume:     "has a plan: its message resumes it",
	settlement.WillDoNothing:  "is finished",
}

// Summary describes the prediction in one line.
func (p Plan) Summary() string { return p.InvoiceID + " " + predictions[p.Prediction] + "." }
