package settlement

import (
	"fmt"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// way is how a release goes on with a head.
type releaseAction int

const (
	nothingClaimed releaseAction = iota // there is nothing to give back
	applyDecision                       // the ledger says what becomes of the events
	readChargebee                       // that depends on what stands at Chargebee
)

// Refusal is why events cannot be given back safely, or not yet, and what to do instead.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

func refusef(format string, arguments ...any) error {
	return &Refusal{fmt.Sprintf(format, arguments...)}
}

// decideRelease says how the events of an invoice can be given back at now, or why they
// cannot, and what to do instead.
func decideRelease(record billing.Record, now time.Time, settings Settings) (releaseAction, error) {
	id := record.InvoiceID
	switch {
	case record.SchemaVersion > billing.SchemaVersion:
		return nothingClaimed, refusef("the ledger's version %d of %s is newer than this program: use the program that wrote it", record.SchemaVersion, id)
	case record.State == billing.Finished:
		return nothingClaimed, refusef("%s is done (%s): its events are not held, and what is billed stays so", id, record.Outcome)
	case record.Owner != "" && now.Unix() < record.LeaseUntil:
		return nothingClaimed, refusef("%s is being worked on: come again after %s", id, formatTime(time.Unix(record.LeaseUntil+1, 0)))
	case record.State == billing.Releasing, record.State == billing.Settling:
		return applyDecision, nil
	case record.State != billing.Rejected:
		return nothingClaimed, refusef("%s is %s and not rejected: its message goes on with it; where none is left, dlq replay --invoice %s --yes brings it back", id, record.State, id)
	case !record.HoldsClaims():
		return nothingClaimed, nil
	case isDecided(record):
		return applyDecision, nil
	}
	if shows := settings.allVisibleAt(record); now.Before(shows) { //mutant:release-shows
		return nothingClaimed, refusef("what was sent for %s may not show yet: come again after %s", id, formatTime(shows))
	}
	return readChargebee, nil
}

// allShows is when everything shows at Chargebee that was sent until the head was last
// written, whatever clock its writer had. What was added had its effect before it was
// written down, and shows MaxEffectDelay later. What is in doubt may have its effect only
// MaxEffectDelay later, and show after that.
func (s Settings) allVisibleAt(record billing.Record) time.Time {
	// The ledger keeps whole seconds: the next one is surely not before the write.
	shows := time.Unix(record.UpdatedAt+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
	if record.IsSending() {
		shows = shows.Add(s.MaxEffectDelay)
	}
	return shows
}

// maxNamed is how many lines an error names.
const maxNamed = 10

// decideDraft says why the events of a plan cannot be given back while the draft is
// pending, as it was read. None of our lines may stand on it. A line that was sent and may
// be there, changed by somebody, needs a person who vouches that it is not.
func decideDraft(draft billing.Invoice, lines []billing.Line, record billing.Record, originals []billing.InvoiceLine, notCharged bool) error {
	found := billing.Recognize(draft, lines, originals)
	var standing, alike []string
	for i, line := range lines {
		sent := i < record.Cursor || i == record.Cursor && record.IsSending()
		switch {
		case !line.IsCharge():
		case found.Counts[i] > 0: //mutant:release-charged
			standing = append(standing, line.Identity())
		case sent && found.Resembles(i):
			alike = append(alike, fmt.Sprintf("of %d %s", line.Amount, line.Identity()))
		}
	}
	switch {
	case len(standing) > 0:
		return refusef("on %s stand lines that we charged, or that look just like them: remove them there and run this again, or close the invoice there and replay its message: the line %s",
			draft.ID, joinFirst(standing))
	case len(alike) > 0 && !notCharged:
		return refusef("on %s stand lines that may be ours, changed by somebody: remove them there, or say with --assert-not-charged why they are not: the line %s",
			draft.ID, joinFirst(alike))
	}
	return nil
}

// held says which lines of a draft that is gone cannot be given back, and what to do.
func errChargeUnknown(invoiceID string, result billing.ReconcileResult, lines []billing.Line) error {
	if result.Reason == billing.DuplicateLine {
		return refusef("%s: %s: what was charged is not given back; credit the surplus at Chargebee", invoiceID, result.Detail)
	}
	var may []string
	for i, line := range lines {
		if result.Dispositions.Of(i) == billing.ChargeUnknown {
			may = append(may, fmt.Sprintf("%s of %s for %d", line.ChargeCode, line.SubscriptionID, line.Amount))
		}
	}
	return refusef("%s: %s: look at the customer's invoices, and if they were not charged, say with --assert-not-charged why: %s",
		invoiceID, result.Detail, joinFirst(may))
}

// named lists the first of many.
func joinFirst(all []string) string {
	if more := len(all) - maxNamed; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(all[:maxNamed], ", "), more)
	}
	return strings.Join(all, ", ")
}

func formatTime(at time.Time) string { return at.UTC().Format(time.RFC3339) }
