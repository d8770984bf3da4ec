package commands

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/settlement"
)

// maxNotes is the maximum length of the texts of --assert-not-charged and --reason-note in bytes, together. The
// ledger keeps them in front of the previous detail, in at most 1,024 bytes.
const maxNotes = 500

const (
	assertNotCharged = "assert-not-charged"
	reasonNote       = "reason-note"
)

// releaseResult is the result of invoice release. Absent values are null.
type releaseResult struct {
	InvoiceID      string         `json:"invoice_id"`
	CurrencyCode   *string        `json:"currency_code"`
	DryRun         bool           `json:"dry_run"`
	Held           bool           `json:"held"`     // it had claimed or billed events to release; otherwise nothing was done
	Released       int            `json:"released"` // events
	Billed         int            `json:"billed"`   // events
	State          string         `json:"state"`
	Outcome        *string        `json:"outcome"`
	Reason         *string        `json:"reason"`
	Detail         *string        `json:"detail"`
	FinalInvoiceID *string        `json:"final_invoice_id"`
	Lines          []releasedLine `json:"lines"`
}

type releasedLine struct {
	inspect.Line

	Becomes string `json:"becomes"` // state of its events: released, billed
}

func (a *app) invoiceRelease() *cobra.Command {
	var notCharged, reason string
	var unrecorded bool
	cmd := a.withYesFlag(a.withOutput(&cobra.Command{
		Use:   "release ID",
		Short: "Release the events of a rejected or voided invoice",
		Long: "Release the events of a rejected invoice, if none of their lines is on the invoice in Chargebee or can still " +
			"appear there. Or release the billed events of an invoice that was voided or deleted in Chargebee. The next invoice bills them.",
		Example: "  consumer invoice release draft_inv_1 --yes",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkNotes(notCharged, reason); err != nil {
				return cli.UsageError{Err: err}
			}
			deps, err := a.connectSite(cmd.Context())
			if err != nil {
				return err
			}
			var result releaseResult
			err = deps.withSettler(cmd.Context(), args[0], func(settler *settlement.Settler, invoiceID string, _ *billing.Record) error {
				order := settlement.Order{InvoiceID: invoiceID, NotCharged: notCharged, Reason: reason, DryRun: !a.apply}
				if unrecorded {
					record, events, err := settler.ReleaseUnrecorded(cmd.Context(), order)
					record.InvoiceID = invoiceID
					result = newReleaseResult(settlement.Release{Record: record, Claimed: events > 0}, !a.apply)
					result.Released = events
					return err
				}
				released, err := settler.Release(cmd.Context(), order)
				result = newReleaseResult(released, !a.apply)
				return err
			})
			if err != nil {
				return err
			}
			return a.writeResult(result, func() error { return a.writeRelease(result) })
		},
	}))
	cmd.Flags().StringVar(&notCharged, assertNotCharged, "", "evidence that lines in doubt were not charged, kept in the ledger")
	cmd.Flags().StringVar(&reason, reasonNote, "", "why the events of a voided or deleted invoice are released, kept in the ledger")
	cmd.Flags().BoolVar(&unrecorded, "unrecorded", false, "release claims that the ledger does not have, after a restore; reads the whole events table")
	return cmd
}

func checkNotes(notCharged, reason string) error {
	switch {
	case len(notCharged) > maxNotes:
		return fmt.Errorf("--assert-not-charged is longer than %d bytes", maxNotes)
	case len(notCharged)+len(reason) > maxNotes:
		return fmt.Errorf("--reason-note, with --assert-not-charged, is longer than %d bytes", maxNotes)
	default:
		return nil
	}
}

func newReleaseResult(from settlement.Release, dryRun bool) releaseResult {
	result := releaseResult{
		InvoiceID:      from.Record.InvoiceID,
		CurrencyCode:   nullable.String(from.CurrencyCode),
		DryRun:         dryRun,
		Held:           from.Claimed,
		State:          string(from.Record.State),
		Outcome:        nullable.String(from.Record.Outcome),
		Reason:         nullable.String(from.Record.Reason),
		Detail:         nullable.String(from.Record.Detail),
		FinalInvoiceID: nullable.String(from.Record.FinalInvoiceID),
		Lines:          []releasedLine{},
	}
	for i, line := range inspect.Lines(from.Record, from.Lines) {
		becomes := "released"
		if from.Dispositions.Of(i) == billing.Charged {
			becomes = "billed"
			result.Billed += line.Events
		} else {
			result.Released += line.Events
		}
		result.Lines = append(result.Lines, releasedLine{line, becomes})
	}
	return result
}

// summary describes the result in one line.
func (r releaseResult) summary() string {
	counts := fmt.Sprintf("%d events unbilled again, %d billed", r.Released, r.Billed)
	switch {
	case !r.Held:
		return fmt.Sprintf("No events are claimed for %s: there is nothing to release.", r.InvoiceID)
	case r.DryRun:
		return "Would be: " + counts + "."
	default:
		return "Released: " + counts + "."
	}
}

func (a *app) writeRelease(result releaseResult) error {
	if !result.Held {
		return a.printLine("%s", result.summary())
	}
	currency := ""
	if result.CurrencyCode != nil {
		currency = *result.CurrencyCode
	}
	var rows [][]string
	for _, line := range result.Lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, billing.FormatAmount(line.Amount, currency), strconv.Itoa(line.Events), line.Becomes,
		})
	}
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "events", Right: true}, {Title: "become"},
	}
	if len(rows) > 0 {
		if err := a.writeTable(columns, rows); err != nil {
			return err
		}
	}
	if result.DryRun {
		return errors.Join(a.printLine("%s", result.summary()), a.endDryRun())
	}
	if err := a.printLine("%s", result.summary()); err != nil || result.Released == 0 {
		return err
	}
	if result.State == string(billing.Finished) { // a replay would be acknowledged without effect
		return a.printLine("The next invoice bills them.")
	}
	return a.printLine("The next invoice bills them. While this one is pending, consumer dlq replay --invoice %s --yes charges them on it.", result.InvoiceID)
}
