package consumer

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/ledger"
	"github.com/billable-events/billable/pkg/terminal"
)

func (a *app) invoiceShow() *cobra.Command {
	return a.output(&cobra.Command{
		Use:   "show ID",
		Short: "Show what the ledger knows of an invoice, by its draft or final id",
		Args:  commandline.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := newStore(aws, settings)
			invoice, err := ledger.Show(cmd.Context(), store, store, args[0])
			if err != nil {
				return err
			}
			if a.format == terminal.JSON {
				return terminal.WriteJSON(a.process.Stdout, invoice)
			}
			return a.showInvoice(invoice)
		},
	})
}

func (a *app) showInvoice(invoice ledger.Invoice) error {
	facts := [][]string{
		{"invoice", invoice.InvoiceID},
		{"state", invoice.State},
		{"resumes as", orNone(invoice.Resume)},
		{"outcome", orNone(invoice.Outcome)},
		{"reason", orNone(invoice.Reason)},
		{"detail", orNone(invoice.Detail)},
		{"final invoice", orNone(invoice.FinalInvoiceID)},
		{"owner", orNone(invoice.Owner)},
		{"lease until", at(invoice.LeaseUntil)},
		{"attempts", strconv.Itoa(invoice.Attempts)},
		{"lines added", fmt.Sprintf("%d of %d", min(invoice.Cursor, len(invoice.Lines)), len(invoice.Lines))},
		{"sending since", at(invoice.SendingSince)},
		{"gone at", at(invoice.GoneAt)},
		{"updated at", at(invoice.UpdatedAt)},
	}
	if err := terminal.WriteTable(a.process.Stdout, []terminal.Column{{Title: "what"}, {Title: "value"}}, facts); err != nil {
		return err
	}
	columns := []terminal.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "quantity", Right: true},
		{Title: "events", Right: true}, {Title: "marker"}, {Title: "state"},
	}
	var rows [][]string
	for _, line := range invoice.Lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, strconv.FormatInt(line.Amount, 10), orNone(line.Quantity),
			strconv.Itoa(line.Events), orNone(line.Marker), line.State,
		})
	}
	if _, err := fmt.Fprintln(a.process.Stdout); err != nil {
		return err
	}
	return terminal.WriteTable(a.process.Stdout, columns, rows)
}

func orNone(value *string) string {
	if value == nil {
		return "-"
	}
	return *value
}

func at(value *time.Time) string {
	if value == nil {
		return "-"
	}
	return value.Format(time.RFC3339)
}
