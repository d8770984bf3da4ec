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
	Status        *string        `json:"status"` // at Chargebee; null if it was not read or does not exist
	State         *string        `json:"state"`  // in the ledger
	CustomerID    string         `json:"customer_id"`
	CurrencyCode  string         `json:"currency_code"`
	Date          time.Time      `json:"date"` // only events before it are billed
	Subscriptions []string       `json:"subscriptions"`
	Lines         []inspect.Line `json:"lines"` // descriptions without markers
	Total         int64          `json:"total"` // of the charges, minor units

	CarriedForward int64 `json:"carried_forward"` // of the credits, minor units: for the next invoice

	Events     int                          `json:"events"`
	Planned    bool                         `json:"planned"` // the plan is in the ledger
	Prediction settlement.InvoicePrediction `json:"prediction"`
	Reason     *string                      `json:"reason"`
	Detail     *string                      `json:"detail"`
}

// NewPlan returns the result for a preview.
func NewPlan(from settlement.Preview) Plan {
	plan := Plan{
		InvoiceID:     from.Manifest.InvoiceID,
		Status:        nullable.String(from.Status),
		State:         nullable.String(from.Record.State),
		CustomerID:    from.Manifest.CustomerID,
		CurrencyCode:  from.Manifest.CurrencyCode,
		Date:          time.Unix(from.Manifest.Date, 0).UTC(),
		Subscriptions: append([]string{}, from.Manifest.Subscriptions...),
		Events:        from.Events,
		Planned:       from.Planned,
		Prediction:    from.Prediction,
		Reason:        nullable.String(from.Reason),
		Detail:        nullable.String(from.Detail),
	}
	record := from.Record
	if !from.Planned { // no line was sent
		record = billing.Record{State: billing.Claiming}
	}
	lines := make([]billing.Line, len(from.Lines))
	for i, line := range from.Lines {
		if line.IsCredit() {
			plan.CarriedForward += line.Amount
		} else {
			plan.Total += line.Amount
		}
		line.Description = line.Text()
		if !from.Planned { // the actual ones will differ
			line.Marker, line.IdempotencyKey = "", ""
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
