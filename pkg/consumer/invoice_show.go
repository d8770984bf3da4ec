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
)

func (a *app) invoiceShow() *cobra.Command {
	var query ledger.Query
	cmd := a.output(&cobra.Command{
		Use:   "show ID",
		Short: "Show what the ledger knows of an invoice, by its draft or final id",
		Args:  cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			query.ID = args[0]
			store := newStore(aws, settings)
			invoice, err := ledger.Show(cmd.Context(), store, store, query)
			if err != nil {
				return err
			}
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, invoice)
			}
			return a.showInvoice(invoice)
		},
	})
	cmd.Flags().BoolVar(&query.Events, "events", false, "also list the claimed events")
	return cmd
}

// showInvoice says first what there is to know, then on what it stands.
func (a *app) showInvoice(invoice ledger.Invoice) error {
	if err := a.say("%s\n", headline(invoice)); err != nil {
		return err
	}
	if err := a.showFacts(append(whatHappened(invoice), whatWasClaimed(invoice.Claims)...)); err != nil {
		return err
	}
	if err := a.showLines(invoice.Lines); err != nil {
		return err
	}
	return a.showEvents(invoice.Events)
}

// headline is the state of an invoice in a sentence.
func headline(invoice ledger.Invoice) string {
	text := invoice.InvoiceID + " is " + invoice.State
	switch {
	case invoice.Outcome != nil && invoice.State == string(billing.Finished):
		text += ": " + *invoice.Outcome
	case invoice.Reason != nil:
		text += ": " + *invoice.Reason
	}
	switch {
	case invoice.Held:
		return text + ". Its events are held."
	case invoice.State == string(billing.Finished):
		return text + "."
	default:
		return text + ". None of its events is held."
	}
}

// fact is a row of a table of facts; one without a value is left out.
func fact(name, value string) []string { return []string{name, value} }

func whatHappened(invoice ledger.Invoice) [][]string {
	facts := [][]string{
		fact("detail", orNone(invoice.Detail)),
		fact("final invoice", orNone(invoice.FinalInvoiceID)),
		fact("updated at", at(invoice.UpdatedAt)),
		fact("resumes as", orNone(invoice.Resume)),
		fact("lines added", fmt.Sprintf("%d of %d", min(invoice.Cursor, len(invoice.Lines)), len(invoice.Lines))),
		fact("sending since", at(invoice.SendingSince)),
		fact("gone at", at(invoice.GoneAt)),
		fact("verdict", orNone(invoice.Verdict)),
		fact("attempts", strconv.Itoa(invoice.Attempts)),
		fact("owner", orNone(invoice.Owner)),
		fact("lease until", at(invoice.LeaseUntil)),
		fact("kept until", at(invoice.ExpiresAt)),
	}
	if invoice.Doubt {
		facts = append(facts, fact("in doubt", "the line that is being sent may stand on the invoice"))
	}
	return facts
}

func whatWasClaimed(claims *ledger.Claimed) [][]string {
	if claims == nil {
		return nil
	}
	return [][]string{
		fact("claimed at", at(claims.ClaimedAt)),
		fact("claims", fmt.Sprintf("%d events in %d pages, before %s", claims.Events, claims.Pages, at(claims.Date))),
		fact("of", strings.Join(claims.Subscriptions, ", ")),
		fact("customer", claims.CustomerID),
		fact("currency", claims.CurrencyCode),
	}
}

// showFacts writes the facts that there are.
func (a *app) showFacts(facts [][]string) error {
	var rows [][]string
	for _, fact := range facts {
		if fact[1] != "" && fact[1] != none {
			rows = append(rows, fact)
		}
	}
	return cli.WriteTable(a.process.Stdout, []cli.Column{{Title: "what"}, {Title: "value"}}, rows)
}

// showLines writes the lines of a plan after an empty one, if there are any.
func (a *app) showLines(lines []ledger.Line) error {
	if len(lines) == 0 {
		return nil
	}
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "quantity", Right: true},
		{Title: "events", Right: true}, {Title: "from"}, {Title: "to"}, {Title: "item price"}, {Title: "marker"}, {Title: "state"},
		{Title: "description", Width: 60},
	}
	var rows [][]string
	for _, line := range lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, strconv.FormatInt(line.Amount, 10), orNone(line.Quantity),
			strconv.Itoa(line.Events), at(line.DateFrom), at(line.DateTo), orNone(line.ItemPriceID), orNone(line.Marker), line.State,
			orNone(line.Description),
		})
	}
	return a.another(columns, rows)
}

func (a *app) showEvents(events []ledger.Event) error {
	if len(events) == 0 {
		return nil
	}
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "event"}, {Title: "occurred at"}, {Title: "charge code"}, {Title: "amount", Right: true},
		{Title: "quantity", Right: true}, {Title: "state"}, {Title: "fault", Width: 60},
	}
	var rows [][]string
	for _, event := range events {
		rows = append(rows, []string{
			event.SubscriptionID, event.EventID, at(event.OccurredAt), orNone(event.ChargeCode), orNone(event.Amount),
			orNone(event.Quantity), orNone(event.State), orNone(event.Fault),
		})
	}
	return a.another(columns, rows)
}

// another writes a table after an empty line.
func (a *app) another(columns []cli.Column, rows [][]string) error {
	if err := a.say(""); err != nil {
		return err
	}
	return cli.WriteTable(a.process.Stdout, columns, rows)
}

// none stands in tables for what is absent.
const none = "-"

func orNone(value *string) string {
	if value == nil {
		return none
	}
	return *value
}

func at(value *time.Time) string {
	if value == nil {
		return none
	}
	return value.Format(time.RFC3339)
}
