package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/settlement"
)

// planResult is the result of invoice plan. Absent values are null.
type planResult struct {
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

	Events     int     `json:"events"`
	Planned    bool    `json:"planned"` // the plan is in the ledger
	Prediction string  `json:"prediction"`
	Reason     *string `json:"reason"`
	Detail     *string `json:"detail"`
}

func (a *app) invoicePlan() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "plan ID",
		Short:   "Show what would be charged on an invoice",
		Example: "  consumer invoice plan draft_inv_1",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			deps, err := a.connectSite(cmd.Context())
			if err != nil {
				return err
			}
			var preview settlement.Preview
			err = deps.withSettler(cmd.Context(), args[0], func(settler *settlement.Settler, invoiceID string, record *billing.Record) (err error) {
				preview, err = settler.Preview(cmd.Context(), invoiceID, record)
				return err
			})
			if err != nil {
				return err
			}
			result := newPlanResult(preview)
			return a.writeResult(result, func() error { return a.writePlan(result) })
		},
	})
}

func newPlanResult(from settlement.Preview) planResult {
	record, lines := from.Record, make([]billing.Line, len(from.Lines))
	if !from.Planned { // no line was sent
		record = billing.Record{State: billing.Claiming}
	}
	result := planResult{
		InvoiceID:     from.Manifest.InvoiceID,
		Status:        nullable.String(from.Status),
		State:         nullable.String(from.Record.State),
		CustomerID:    from.Manifest.CustomerID,
		CurrencyCode:  from.Manifest.CurrencyCode,
		Date:          time.Unix(from.Manifest.Date, 0).UTC(),
		Subscriptions: append([]string{}, from.Manifest.Subscriptions...),
		Events:        from.Events,
		Planned:       from.Planned,
		Prediction:    string(from.Prediction),
		Reason:        nullable.String(from.Reason),
		Detail:        nullable.String(from.Detail),
	}
	for i, line := range from.Lines {
		if line.IsCredit() {
			result.CarriedForward += line.Amount
		} else {
			result.Total += line.Amount
		}
		line.Description = line.Text()
		if !from.Planned { // the actual ones will differ
			line.Marker, line.IdempotencyKey = "", ""
		}
		lines[i] = line
	}
	result.Lines = inspect.Lines(record, lines)
	return result
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

// summary describes the prediction in one line.
func (r planResult) summary() string {
	return r.InvoiceID + " " + predictions[settlement.InvoicePrediction(r.Prediction)] + "."
}

func (a *app) writePlan(result planResult) error {
	if err := a.printLine("%s\n", result.summary()); err != nil {
		return err
	}
	err := a.writeFacts([][]string{
		{"reason", cli.OrNone(result.Reason)},
		{"detail", cli.OrNone(result.Detail)},
		{"Chargebee status", cli.OrNone(result.Status)},
		{"ledger state", cli.OrNone(result.State)},
		{"customer", result.CustomerID},
		{"subscriptions", strings.Join(result.Subscriptions, ", ")},
		{"events", fmt.Sprintf("%d, before %s", result.Events, result.Date.Format(time.RFC3339))},
		{"total", billing.FormatAmount(result.Total, result.CurrencyCode)},
		{"carried forward", billing.FormatAmount(result.CarriedForward, result.CurrencyCode)},
	})
	if err != nil {
		return err
	}
	return a.writeLines(result.Lines, result.CurrencyCode)
}
