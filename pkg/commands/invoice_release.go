package commands

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
)

// maxNotesBytes is the maximum length of --assert-not-charged and --reason-note together. The detail of the record has
// at most 1,024 bytes: the time, these texts, and as much of the previous detail as fits.
const maxNotesBytes = 500

func (a *app) invoiceRelease() *cobra.Command {
	var order settlement.Order
	var unrecorded bool
	cmd := a.withYesFlag(a.withOutput(&cobra.Command{
		Use:   "release ID",
		Short: "Release the events of a rejected or voided invoice",
		Long: "Release the events of a rejected invoice, if none of their lines is on the invoice in Chargebee or can still " +
			"appear there. Or release the billed events of an invoice that was voided or deleted in Chargebee. The next invoice bills them.",
		Example: "  consumer invoice release draft_inv_1 --yes",
		Args:    cobra.ExactArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return checkNotes(order) },
		RunE: a.withSiteDeps(func(ctx context.Context, deps Deps, args []string) error {
			order.DryRun = !a.apply
			var release results.Release
			err := deps.withSettler(ctx, args[0], func(settler *settlement.Settler, invoiceID string, _ *billing.Record) (err error) {
				order.InvoiceID = invoiceID
				if unrecorded {
					release, err = releaseUnrecorded(ctx, settler, order)
					return err
				}
				released, err := settler.Release(ctx, order)
				release = results.NewRelease(released, order.DryRun)
				return err
			})
			if err != nil {
				return err
			}
			a.writeResult(release, func() { a.writeRelease(release) })
			return nil
		}),
	}))
	cmd.Flags().StringVar(&order.NotCharged, "assert-not-charged", "", "evidence that lines in doubt were not charged, kept in the ledger")
	cmd.Flags().StringVar(&order.Reason, "reason-note", "", "why the events of a voided or deleted invoice are released, kept in the ledger")
	cmd.Flags().BoolVar(&unrecorded, "unrecorded", false, "release claims that the ledger does not have, after a restore; reads the whole events table")
	return cmd
}

// releaseUnrecorded releases claims that the ledger does not have. The result has no lines: no plan has these events.
func releaseUnrecorded(ctx context.Context, settler *settlement.Settler, order settlement.Order) (results.Release, error) {
	record, events, err := settler.ReleaseUnrecorded(ctx, order)
	record.InvoiceID = order.InvoiceID // in a dry run, there may be no record
	release := results.NewRelease(settlement.Release{Record: record, Claimed: events > 0}, order.DryRun)
	release.Released = events
	return release, err
}

// checkNotes returns a usage error if the texts of an order are too long.
func checkNotes(order settlement.Order) error {
	switch {
	case len(order.NotCharged) > maxNotesBytes:
		return cli.UsageError{Err: fmt.Errorf("--assert-not-charged is longer than %d bytes", maxNotesBytes)}
	case len(order.NotCharged)+len(order.Reason) > maxNotesBytes:
		return cli.UsageError{Err: fmt.Errorf("--reason-note, with --assert-not-charged, is longer than %d bytes", maxNotesBytes)}
	default:
		return nil
	}
}

func (a *app) writeRelease(release results.Release) {
	a.writeReleasedLines(release)
	a.printLinef("%s", release.Summary())
	switch {
	case !release.Held:
	case release.DryRun:
		a.printDryRun()
	case release.Released == 0:
	case release.State == string(billing.Finished): // a replay would be acknowledged without effect
		a.printLinef("The next invoice bills them.")
	default:
		a.printLinef("The next invoice bills them. While this one is pending, consumer dlq replay --invoice %s --yes charges them on it.", release.InvoiceID)
	}
}

func (a *app) writeReleasedLines(release results.Release) {
	if len(release.Lines) == 0 {
		return
	}
	var rows [][]string
	for _, line := range release.Lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, formatAmount(line.Amount, release.CurrencyCode), strconv.Itoa(line.Events), line.Becomes,
		})
	}
	a.writeTable([]cli.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "events", Right: true}, {Title: "become"},
	}, rows)
}
