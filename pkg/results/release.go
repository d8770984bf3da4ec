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
	Held           bool           `json:"held"`     // there were claimed or billed events; otherwise nothing was done
	Released       int            `json:"released"` // number of events; of a dry run: that would be released
	Billed         int            `json:"billed"`   // likewise
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

// NewRelease returns the result for a release, or for its dry run.
func NewRelease(released settlement.Release, dryRun bool) Release {
	result := Release{
		InvoiceID:      released.Record.InvoiceID,
		CurrencyCode:   nullable.String(released.CurrencyCode),
		DryRun:         dryRun,
		Held:           released.Claimed,
		State:          string(released.Record.State),
		Outcome:        nullable.String(released.Record.Outcome),
		Reason:         nullable.String(released.Record.Reason),
		Detail:         nullable.String(released.Record.Detail),
		FinalInvoiceID: nullable.String(released.Record.FinalInvoiceID),
		Lines:          []ReleasedLine{},
	}
	for i, line := range inspect.Lines(released.Record, released.Lines) {
		becomes := "claimed" // the line may be charged: its events stay claimed
		switch released.Dispositions.Of(i) {
		case billing.Charged:
			becomes = "billed"
			result.Billed += line.Events
		case billing.NotCharged:
			becomes = "released"
			result.Released += line.Events
		}
		result.Lines = append(result.Lines, ReleasedLine{line, becomes})
	}
	return result
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
