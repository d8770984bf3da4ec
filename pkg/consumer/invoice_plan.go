package consumer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ledger"
	"github.com/billable-events/billable/pkg/settlement"
)

// preview is the result of invoice plan. Absent values are null.
type preview struct {
	InvoiceID     string        `json:"invoice_id"`
	Status        *string       `json:"status"` // at Chargebee; null when it was not asked, or does not know the invoice
	State         *string       `json:"state"`  // in the ledger
	CustomerID    string        `json:"customer_id"`
	CurrencyCode  string        `json:"currency_code"`
	Date          time.Time     `json:"date"` // only events before it are billed
	Subscriptions []string      `json:"subscriptions"`
	Lines         []ledger.Line `json:"lines"` // descriptions without markers
	Total         int64         `json:"total"` // of the charges, minor units

	CarriedForward int64 `json:"carried_forward"` // of the credits, minor units: for the next invoice

	Events  int     `json:"events"`
	Planned bool    `json:"planned"` // the plan is in the ledger already
	Would   string  `json:"would"`
	Reason  *string `json:"reason"`
	Detail  *string `json:"detail"`
}

func (a *app) invoicePlan() *cobra.Command {
	return a.output(&cobra.Command{
		Use:   "plan ID",
		Short: "Show what would be charged on an invoice, and change nothing",
		Args:  cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var planned settlement.Preview
			err := a.settle(cmd.Context(), args[0], func(settler *settlement.Settler, head billing.Head) (err error) {
				planned, err = settler.Preview(cmd.Context(), head.InvoiceID)
				return err
			})
			if err != nil {
				return err
			}
			shown := newPreview(planned)
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, shown)
			}
			return a.showPreview(shown)
		},
	})
}

func newPreview(from settlement.Preview) preview {
	head, lines := from.Head, make([]billing.Line, len(from.Lines))
	if !from.Planned {
		head = billing.Head{State: billing.Claiming}
	}
	shown := preview{
		InvoiceID:     from.Manifest.InvoiceID,
		Status:        absent(from.Status),
		State:         absent(string(from.Head.State)),
		CustomerID:    from.Manifest.CustomerID,
		CurrencyCode:  from.Manifest.CurrencyCode,
		Date:          time.Unix(from.Manifest.Date, 0).UTC(),
		Subscriptions: append([]string{}, from.Manifest.Subscriptions...),
		Events:        from.Events,
		Planned:       from.Planned,
		Would:         string(from.Would),
		Reason:        absent(string(from.Reason)),
		Detail:        absent(from.Detail),
	}
	for i, line := range from.Lines {
		if line.IsCredit() {
			shown.CarriedForward += line.Amount
		} else {
			shown.Total += line.Amount
		}
		line.Description = line.Text()
		if !from.Planned { // they will be others
			line.Marker, line.IdempotencyKey = "", ""
		}
		lines[i] = line
	}
	shown.Lines = ledger.Lines(head, lines)
	return shown
}

// becomes says what would become of an invoice.
var becomes = map[settlement.Would]string{
	settlement.WouldClose:   "would be charged as below, and closed",
	settlement.WouldLeave:   "would be charged as below, and not be closed: the settings say so",
	settlement.WouldBeEmpty: "would be left as it is: it has no line, and Chargebee closes none without",
	settlement.WouldReject:  "would be rejected",
	settlement.WouldBeGone:  "would be done: somebody else closed or deleted it, and there is nothing to charge",
	settlement.WouldGoOn:    "has its plan already: its message goes on with it",
	settlement.WouldNothing: "is done",
}

func (a *app) showPreview(shown preview) error {
	if err := a.say("%s %s.\n", shown.InvoiceID, becomes[settlement.Would(shown.Would)]); err != nil {
		return err
	}
	err := a.showFacts([][]string{
		fact("reason", orNone(shown.Reason)),
		fact("detail", orNone(shown.Detail)),
		fact("at Chargebee", orNone(shown.Status)),
		fact("in the ledger", orNone(shown.State)),
		fact("customer", shown.CustomerID),
		fact("of", strings.Join(shown.Subscriptions, ", ")),
		fact("events", fmt.Sprintf("%d, before %s", shown.Events, shown.Date.Format(time.RFC3339))),
		fact("total", strconv.FormatInt(shown.Total, 10)+" "+shown.CurrencyCode+", in minor units"),
		fact("carried forward", strconv.FormatInt(shown.CarriedForward, 10)+" "+shown.CurrencyCode+", in minor units"),
	})
	if err != nil {
		return err
	}
	return a.showLines(shown.Lines)
}

// absent is nil for an empty text.
func absent(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
