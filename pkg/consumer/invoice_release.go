package consumer

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ledger"
	"github.com/billable-events/billable/pkg/settlement"
)

// maxAssertion bounds what the ledger keeps of an assertion, in bytes, so that what it was
// before fits beside it.
const maxAssertion = 500

const assertNotCharged = "assert-not-charged"

// release is the result of invoice release. Absent values are null.
type release struct {
	InvoiceID      string         `json:"invoice_id"`
	DryRun         bool           `json:"dry_run"`
	Held           bool           `json:"held"`     // events were held; otherwise there was nothing to do
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
	ledger.Line

	Becomes string `json:"becomes"` // what becomes of its events: released, billed
}

func (a *app) invoiceRelease() *cobra.Command {
	var note string
	cmd := a.confirmed(a.output(&cobra.Command{
		Use:   "release ID",
		Short: "Give the events of a rejected invoice back, once none of its lines can stand on it anymore",
		Args:  cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed(assertNotCharged) && note == "":
				return cli.UsageError{Err: errors.New("--assert-not-charged is empty: say how you know, for whoever wonders")}
			case len(note) > maxAssertion:
				return cli.UsageError{Err: fmt.Errorf("--assert-not-charged is longer than %d bytes", maxAssertion)}
			}
			var result release
			err := a.settle(cmd.Context(), args[0], func(settler *settlement.Settler, head billing.Head) error {
				released, err := settler.Release(cmd.Context(), settlement.Order{InvoiceID: head.InvoiceID, NotCharged: note, DryRun: !a.yes})
				result = newRelease(released, !a.yes)
				return err
			})
			if err != nil {
				return err
			}
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, result)
			}
			return a.showRelease(result)
		},
	}))
	cmd.Flags().StringVar(&note, assertNotCharged, "", "how you know that lines that may have been charged were not; kept in the ledger")
	return cmd
}

func newRelease(from settlement.Release, dryRun bool) release {
	result := release{
		InvoiceID:      from.Head.InvoiceID,
		DryRun:         dryRun,
		Held:           from.Held,
		State:          string(from.Head.State),
		Outcome:        absent(string(from.Head.Outcome)),
		Reason:         absent(string(from.Head.Reason)),
		Detail:         absent(from.Head.Detail),
		FinalInvoiceID: absent(from.Head.FinalInvoiceID),
		Lines:          []releasedLine{},
	}
	for i, line := range ledger.Lines(from.Head, from.Lines) {
		becomes := "released"
		if from.Fates[i] == billing.Stands {
			becomes = "billed"
			result.Billed += line.Events
		} else {
			result.Released += line.Events
		}
		result.Lines = append(result.Lines, releasedLine{line, becomes})
	}
	return result
}

func (a *app) showRelease(result release) error {
	if !result.Held {
		return a.say("None of the events of %s is held: there is nothing to release.", result.InvoiceID)
	}
	var rows [][]string
	for _, line := range result.Lines {
		rows = append(rows, []string{
			line.SubscriptionID, line.ChargeCode, strconv.FormatInt(line.Amount, 10), strconv.Itoa(line.Events), line.Becomes,
		})
	}
	columns := []cli.Column{
		{Title: "subscription"}, {Title: "charge code"}, {Title: "amount", Right: true}, {Title: "events", Right: true}, {Title: "become"},
	}
	if err := cli.WriteTable(a.process.Stdout, columns, rows); err != nil {
		return err
	}
	counts := fmt.Sprintf("%d events unbilled again, %d billed", result.Released, result.Billed)
	if result.DryRun {
		return a.say("Dry run: with --yes, %s.", counts)
	}
	if err := a.say("Released: %s.", counts); err != nil || result.Released == 0 {
		return err
	}
	return a.say("They wait for the next invoice; while this one is pending, consumer dlq replay --invoice %s --yes charges them on it.", result.InvoiceID)
}
