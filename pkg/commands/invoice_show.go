package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
)

func (a *app) invoiceShow() *cobra.Command {
	var withEvents bool
	cmd := a.withOutput(&cobra.Command{
		Use:     "show ID",
		Short:   "Show an invoice by draft or final id",
		Example: "  consumer invoice show draft_inv_1 --events",
		Args:    cobra.ExactArgs(1),
		RunE: a.withDeps(func(ctx context.Context, deps Deps, args []string) error {
			invoice, err := inspect.Show(ctx, deps.store(), args[0], withEvents)
			if err != nil {
				return err
			}
			a.writeResult(invoice, func() { a.writeInvoice(invoice) })
			return nil
		}),
	})
	cmd.Flags().BoolVar(&withEvents, "events", false, "also list the claimed events")
	return cmd
}

// writeInvoice writes the headline of an invoice, and its details as tables.
func (a *app) writeInvoice(invoice inspect.Invoice) {
	a.printLinef("%s\n", headline(invoice))
	a.writeFacts(append(stateFacts(invoice), claimFacts(invoice.Claims)...))
	var currencyCode string
	if invoice.Claims != nil {
		currencyCode = invoice.Claims.CurrencyCode
	}
	a.writeLines(invoice.Lines, currencyCode)
	a.writeEvents(invoice.Events)
}

// headline returns the state of an invoice, with its outcome or reason, and whether it holds claims.
func headline(invoice inspect.Invoice) string {
	text := invoice.InvoiceID + " is " + invoice.State
	switch {
	case invoice.Outcome != nil && invoice.State == string(billing.Finished):
		text += ": " + *invoice.Outcome
	case invoice.Reason != nil:
		text += ": " + *invoice.Reason
	}
	switch {
	case invoice.HoldsClaims:
		return text + ". It holds claims."
	case invoice.State == string(billing.Finished):
		return text + "."
	default:
		return text + ". It holds no claims."
	}
}

func stateFacts(invoice inspect.Invoice) [][]string {
	facts := [][]string{
		{"detail", cli.OrNone(invoice.Detail)},
		{"final invoice", cli.OrNone(invoice.FinalInvoiceID)},
		{"updated at", cli.TimeOrNone(invoice.UpdatedAt)},
		{"resumes as", cli.OrNone(invoice.Resume)},
		// The cursor may be greater than 0 although the plan has expired.
		{"lines added", fmt.Sprintf("%d of %d", min(invoice.Cursor, len(invoice.Lines)), len(invoice.Lines))},
		{"sending since", cli.TimeOrNone(invoice.SendingSince)},
		{"missing since", cli.TimeOrNone(invoice.MissingSince)},
		{"verdict", cli.OrNone(invoice.Verdict)},
		{"attempts", strconv.Itoa(invoice.Attempts)},
		{"owner", cli.OrNone(invoice.Owner)},
		{"lease until", cli.TimeOrNone(invoice.LeaseUntil)},
		{"kept until", cli.TimeOrNone(invoice.ExpiresAt)},
	}
	if invoice.Doubt {
		facts = append(facts, []string{"in doubt", "the line being sent may be on the invoice"})
	}
	return facts
}

func claimFacts(claims *inspect.Claimed) [][]string {
	if claims == nil {
		return nil
	}
	return [][]string{
		{"claimed at", cli.TimeOrNone(claims.ClaimedAt)},
		{"claims", fmt.Sprintf("%d events in %d pages, before %s", claims.Events, claims.Pages, cli.TimeOrNone(claims.Date))},
		{"subscriptions", strings.Join(claims.Subscriptions, ", ")},
		{"customer", claims.CustomerID},
		{"currency", claims.CurrencyCode},
	}
}

func (a *app) writeLines(lines []inspect.Line, currencyCode string) {
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "quantity", Right: true},
		{Title: "events", Right: true}, {Title: "from", Wide: true}, {Title: "to", Wide: true}, {Title: "item price", Wide: true}, {Title: "marker"},
		{Title: "state"}, {Title: "description", Wide: true},
	}
	var rows [][]string
	for _, line := range lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, billing.FormatAmount(line.Amount, currencyCode), cli.OrNone(line.Quantity),
			strconv.Itoa(line.Events), cli.TimeOrNone(line.DateFrom), cli.TimeOrNone(line.DateTo), cli.OrNone(line.ItemPriceID), cli.OrNone(line.Marker), line.State,
			cli.OrNone(line.Description),
		})
	}
	a.writeNextTable(columns, rows)
}

func (a *app) writeEvents(events []inspect.Event) {
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "event"}, {Title: "occurred at"}, {Title: "charge code"}, {Title: "amount", Right: true},
		{Title: "quantity", Right: true, Wide: true}, {Title: "state"}, {Title: "fault", Below: true},
	}
	var rows [][]string
	for _, event := range events {
		rows = append(rows, []string{
			event.SubscriptionID, event.EventID, cli.TimeOrNone(event.OccurredAt), cli.OrNone(event.ChargeCode), eventAmount(event),
			cli.OrNone(event.Quantity), cli.OrNone(event.State), cli.OrNone(event.Fault),
		})
	}
	a.writeNextTable(columns, rows)
}

// eventAmount converts the amount of an event from minor units to the major unit. Without a currency it returns the
// amount as the producer wrote it, and without an amount cli.None.
func eventAmount(event inspect.Event) string {
	if event.Amount == nil || event.CurrencyCode == nil {
		return cli.OrNone(event.Amount)
	}
	return billing.FormatEventAmount(*event.Amount, *event.CurrencyCode)
}
