package consumer

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ledger"
)

func (a *app) invoiceList() *cobra.Command {
	var wanted invoiceFilter
	cmd := a.output(&cobra.Command{
		Use:   "list",
		Short: "List the invoices that the ledger knows, the latest last; it reads the whole table",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			filter, err := wanted.parse(now)
			if err != nil {
				return cli.UsageError{Err: err}
			}
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			progress := cli.NewProgress(a.process.Stderr, "invoices read")
			listing, err := ledger.List(cmd.Context(), newStore(aws, settings), filter, now, func() { progress.Add(1) })
			progress.Done()
			if err != nil {
				return err
			}
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, listing)
			}
			return a.showInvoices(listing)
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&wanted.states, "state", "", "only those in these states, as rejected,charging")
	flags.StringVar(&wanted.since, "since", "", "only those written lately, as 48h, or since a time, as 2006-01-02T15:04:05Z")
	flags.StringVar(&wanted.outcomes, "outcome", "", "only those that ended so, as empty,gone")
	flags.StringVar(&wanted.reasons, "reason", "", "only those with these reasons, as line_removed")
	flags.BoolVar(&wanted.held, "held", false, "only those that hold events")
	return cmd
}

// invoiceFilter is what the flags say.
type invoiceFilter struct {
	states, since, outcomes, reasons string
	held                             bool
}

// parse reads the flags; the error has all that is wrong.
func (f invoiceFilter) parse(now time.Time) (ledger.Filter, error) {
	filter := ledger.Filter{Held: f.held}
	var states, outcomes, reasons, since error
	filter.States, states = ledger.ParseStates(f.states)
	filter.Outcomes, outcomes = ledger.ParseOutcomes(f.outcomes)
	filter.Reasons, reasons = ledger.ParseReasons(f.reasons)
	if f.since != "" {
		filter.Since, since = ledger.ParseSince(f.since, now)
	}
	return filter, errors.Join(flagFault("state", states), flagFault("since", since), flagFault("outcome", outcomes), flagFault("reason", reasons))
}

// flagFault names the flag that an error is about.
func flagFault(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s: %w", flag, err)
}

func (a *app) showInvoices(listing ledger.Listing) error {
	if len(listing.Invoices) == 0 {
		return a.say("There are no such invoices.")
	}
	var rows [][]string
	for _, invoice := range listing.Invoices {
		held := none
		if invoice.Held {
			held = "held"
		}
		rows = append(rows, []string{
			at(invoice.UpdatedAt), invoice.InvoiceID, invoice.State, orNone(invoice.Reason), orNone(invoice.Outcome), held,
			orNone(invoice.Resume), strconv.Itoa(invoice.Attempts), at(invoice.SendingSince), orNone(invoice.FinalInvoiceID),
		})
	}
	columns := []cli.Column{
		{Title: "updated at"}, {Title: "invoice"}, {Title: "state"}, {Title: "reason"}, {Title: "outcome"}, {Title: "events"},
		{Title: "resumes as"}, {Title: "attempts", Right: true}, {Title: "sending since"}, {Title: "final invoice"},
	}
	return cli.WriteTable(a.process.Stdout, columns, rows)
}
