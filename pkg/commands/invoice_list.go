package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
)

func (a *app) invoiceList() *cobra.Command {
	var selection invoiceSelection
	var filter inspect.Filter
	cmd := a.withListingOutput(&cobra.Command{
		Use:     "list",
		Short:   "List invoices in the ledger, by last update",
		Long:    "List invoices in the ledger, by last update. It scans the whole ledger table.",
		Example: "  consumer invoice list --state rejected --since 7d --customer cust_1",
		PreRunE: func(*cobra.Command, []string) (err error) {
			filter, err = selection.parse(time.Now())
			return err
		},
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			progress := cli.NewProgress(a.process.Stderr, "invoices read")
			listing, err := inspect.List(ctx, deps.store(), deps.store(), filter, time.Now(), func() { progress.Add(1) })
			progress.Finish()
			if err != nil {
				return err
			}
			writeListing(a, listing, listing.Invoices, func() { a.writeInvoices(listing) })
			return nil
		}),
	})
	flags := cmd.Flags()
	flags.StringVar(&selection.states, "state", "", "only these states, for example rejected,charging")
	flags.StringVar(&selection.since, "since", "", "only updates since, for example 7d or 2006-01-02T15:04:05Z")
	flags.StringVar(&selection.outcomes, "outcome", "", "only these outcomes, for example empty,gone")
	flags.StringVar(&selection.reasons, "reason", "", "only these reasons, for example line_removed")
	flags.StringVar(&selection.customer, "customer", "", "only this customer")
	flags.StringVar(&selection.subscription, "subscription", "", "only this subscription")
	flags.Int64Var(&selection.minAmount, "min-amount", 0, "only charges of at least this amount, in minor units (default: any)")
	flags.BoolVar(&selection.held, "held", false, "only invoices that hold claims")
	return cmd
}

// invoiceSelection has the values of the flags of invoice list. Lists are separated by commas.
type invoiceSelection struct {
	states, outcomes, reasons     string // lists
	since, customer, subscription string
	minAmount                     int64 // minor units
	held                          bool
}

// parse returns the filter. The usage error lists every invalid flag.
func (s invoiceSelection) parse(now time.Time) (inspect.Filter, error) {
	filter := inspect.Filter{HoldsClaims: s.held, Customer: s.customer, Subscription: s.subscription, MinAmount: s.minAmount}
	var stateErr, outcomeErr, reasonErr, sinceErr error
	if s.states != "" {
		filter.States, stateErr = cli.ParseChoices(s.states, inspect.States())
	}
	if s.outcomes != "" {
		filter.Outcomes, outcomeErr = cli.ParseChoices(s.outcomes, inspect.Outcomes())
	}
	if s.reasons != "" {
		filter.Reasons, reasonErr = cli.ParseChoices(s.reasons, billing.Reasons())
	}
	if s.since != "" {
		filter.Since, sinceErr = parseSince(s.since, now)
	}
	err := errors.Join(flagError("state", stateErr), flagError("since", sinceErr), flagError("outcome", outcomeErr), flagError("reason", reasonErr))
	if err != nil {
		return filter, cli.UsageError{Err: err}
	}
	return filter, nil
}

// parseSince parses a time in RFC 3339, or a duration: the time that long before now.
func parseSince(value string, now time.Time) (time.Time, error) {
	if ago, err := cli.ParseDuration(value); err == nil {
		return now.Add(-ago), nil
	}
	since, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid time %q: use a duration like 48h or 7d, or a time like 2006-01-02T15:04:05Z", value)
	}
	return since, nil
}

// flagError adds the name of the flag to an error. It returns nil for nil.
func flagError(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s: %w", flag, err)
}

func (a *app) writeInvoices(listing inspect.Listing) {
	if len(listing.Invoices) == 0 {
		a.printLinef("No matching invoices.")
		return
	}
	var rows [][]string
	for _, invoice := range listing.Invoices {
		held := cli.None
		if invoice.HoldsClaims {
			held = "held"
		}
		result := cmp.Or(invoice.Outcome, invoice.Reason)
		if invoice.State == string(billing.Rejected) {
			result = invoice.Reason
		}
		charges := cli.None
		if invoice.Amount != nil {
			charges = formatAmount(*invoice.Amount, invoice.CurrencyCode)
		}
		rows = append(rows, []string{
			cli.TimeOrNone(invoice.UpdatedAt), invoice.InvoiceID, cli.OrNone(invoice.CustomerID), strings.Join(invoice.SubscriptionIDs, " "), charges,
			invoice.State, cli.OrNone(result), held, cli.OrNone(invoice.Resume), strconv.Itoa(invoice.Attempts), cli.TimeOrNone(invoice.SendingSince),
			cli.OrNone(invoice.FinalInvoiceID),
		})
	}
	columns := []cli.Column{
		{Title: "updated at"}, {Title: "invoice"}, {Title: "customer"}, {Title: "subscriptions", Wide: true}, {Title: "charges", Right: true},
		{Title: "state"}, {Title: "result"}, {Title: "events", Wide: true}, {Title: "resumes as", Wide: true}, {Title: "attempts", Right: true, Wide: true},
		{Title: "sending since", Wide: true}, {Title: "final invoice", Wide: true},
	}
	a.writeTable(columns, rows)
}
