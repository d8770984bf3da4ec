package settlement

import (
	"fmt"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// releaseAction is the next action of a release.
type releaseAction int

const (
	nothingClaimed releaseAction = iota // there is nothing to release
	applyDecision                       // settle the events as the record has it
	readChargebee                       // decide about claimed events by the draft or the final invoice
	readFinal                           // decide about billed events by the final invoice
)

// Refusal is the error of a release that is not safe now. Its text contains what to do.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

func refusef(format string, arguments ...any) error {
	return &Refusal{fmt.Sprintf(format, arguments...)}
}

// decideRelease returns how the claims of an invoice can be released at now. The error is a *Refusal.
func decideRelease(record billing.Record, order Order, now time.Time, settings Settings) (releaseAction, error) {
	id := record.InvoiceID
	switch {
	case record.SchemaVersion > billing.SchemaVersion:
		return nothingClaimed, errNewerSchema(record)
	case record.IsLeased(now):
		return nothingClaimed, errLeased(record)
	case record.State == billing.Finished:
		return decideReleaseBilled(record, order, now)
	case record.State == billing.Releasing, record.State == billing.Settling:
		return applyDecision, nil
	case record.State != billing.Rejected:
		return nothingClaimed, refusef("%s is %s and not rejected: its message resumes it; if there is none left, send its dead letter back with dlq replay --invoice %s --yes", id, record.State, id)
	case record.HasBilled() && order.Reason != "":
		return decideReleaseBilled(record, order, now)
	case !record.HoldsClaims():
		return nothingClaimed, nil
	case isDecided(record):
		return applyDecision, nil
	}
	if visibleAt := settings.allVisibleAt(record); now.Before(visibleAt) { //mutant:release-shows
		return nothingClaimed, refusef("what was sent for %s may not be visible yet: try again after %s", id, formatTime(visibleAt))
	}
	return readChargebee, nil
}

// errNewerSchema returns the refusal for a record that a newer program wrote.
func errNewerSchema(record billing.Record) error {
	return refusef("the schema version %d of %s is newer than this program: use the program that wrote it", record.SchemaVersion, record.InvoiceID)
}

// errLeased returns the refusal for an invoice that another session processes.
func errLeased(record billing.Record) error {
	return refusef("%s is being processed: try again after %s", record.InvoiceID, formatTime(time.Unix(record.LeaseUntil+1, 0)))
}

// allVisibleAt returns the time from which Chargebee shows everything that was sent before the last write of the
// record. MaxSkew is added, because another process wrote it:
//
//	last write ── MaxEffectDelay ──▶ added lines are visible
//	last write ── MaxEffectDelay ──▶ a call in doubt took effect ── MaxEffectDelay ──▶ its line is visible
func (s Settings) allVisibleAt(record billing.Record) time.Time {
	// UpdatedAt is rounded down to seconds.
	visibleAt := time.Unix(record.UpdatedAt+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
	if record.IsSending() {
		visibleAt = visibleAt.Add(s.MaxEffectDelay)
	}
	return visibleAt
}

// decideDraft refuses to release the claims of a plan in these cases:
//
//	the pending draft has a line of the plan
//	it has a line that may be a sent line after a manual edit, and no operator asserted that it is not
func decideDraft(draft billing.Invoice, lines []billing.Line, record billing.Record, originals []billing.InvoiceLine, assertedNotCharged bool) error {
	found := billing.Recognize(draft, lines, originals)
	var charged, similar []string
	for i, line := range lines {
		sent := i < record.Cursor || i == record.Cursor && record.IsSending()
		switch {
		case !line.IsCharge():
		case found.Counts[i] > 0: //mutant:release-charged
			charged = append(charged, line.Identity())
		case sent && found.Resembles(i):
			similar = append(similar, fmt.Sprintf("of %s %s", billing.FormatAmount(line.Amount, draft.CurrencyCode), line.Identity()))
		}
	}
	switch {
	case len(charged) > 0:
		return refusef("%s has lines that were charged, or that look the same: remove them and run this again, or close the invoice in Chargebee and replay its message: the line %s",
			draft.ID, joinFirst(charged))
	case len(similar) > 0 && !assertedNotCharged:
		return refusef("%s has lines that may be lines of the plan after a manual edit: remove them, or state with --assert-not-charged why they are not: the line %s",
			draft.ID, joinFirst(similar))
	}
	return nil
}

// errChargeUnknown returns the refusal for a result with dispositions ChargeUnknown.
func errChargeUnknown(manifest billing.Manifest, result billing.ReconcileResult, lines []billing.Line) error {
	if result.Reason == billing.DuplicateLine {
		return refusef("%s: %s: charged events are not released; credit the surplus at Chargebee", manifest.InvoiceID, result.Detail)
	}
	var unknown []string
	for i, line := range lines {
		if result.Dispositions.Of(i) == billing.ChargeUnknown {
			unknown = append(unknown, fmt.Sprintf("%s of %s for %s", line.ChargeCode, line.SubscriptionID, billing.FormatAmount(line.Amount, manifest.CurrencyCode)))
		}
	}
	return refusef("%s: %s: check the customer's invoices, and if the lines were not charged, state with --assert-not-charged how you know: %s",
		manifest.InvoiceID, result.Detail, joinFirst(unknown))
}

// maxNamed is the maximum number of lines that an error names.
const maxNamed = 10

// joinFirst joins the first maxNamed texts, and adds the number of the others.
func joinFirst(texts []string) string {
	if more := len(texts) - maxNamed; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(texts[:maxNamed], ", "), more)
	}
	return strings.Join(texts, ", ")
}

func formatTime(at time.Time) string { return at.UTC().Format(time.RFC3339) }
