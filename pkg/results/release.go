package results

import (
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/settlement"
)

// Release is the result of invoice release.
type Release struct {
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
	Lines          []ReleasedLine `json:"lines"`
}

// ReleasedLine is a line of a released invoice.
type ReleasedLine struct {
	inspect.Line

	Becomes string `json:"becomes"` // effect on its events: billed, released or claimed
}

// NewRelease returns the result for a release, or its dry run.
func NewRelease(from settlement.Release, dryRun bool) Release {
	release := Release{
		InvoiceID:      from.Record.InvoiceID,
		CurrencyCode:   nullable.String(from.CurrencyCode),
		DryRun:         dryRun,
		Held:           from.Claimed,
		State:          string(from.Record.State),
		Outcome:        nullable.String(from.Record.Outcome),
		Reason:         nullable.String(from.Record.Reason),
		Detail:         nullable.String(from.Record.Detail),
		FinalInvoiceID: nullable.String(from.Record.FinalInvoiceID),
		Lines:          []ReleasedLine{},
	}
	for i, line := range inspect.Lines(from.Record, from.Lines) {
		becomes := "claimed" // the line may be charged: its events stay claimed
		switch from.Dispositions.Of(i) {
		case billing.Charged:
			becomes = "billed"
			release.Billed += line.Events
		case billing.NotCharged:
			becomes = "released"
			release.Released += line.Events
		}
		release.Lines = append(release.Lines, ReleasedLine{line, becomes})
	}
	return release
}

// Summary describes the result in one line.
func (r Release) Summary() string {
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
