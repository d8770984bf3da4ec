package settlement

import (
	"fmt"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// way is how a release goes on with a head.
type way int

const (
	nothingHeld way = iota // there is nothing to give back
	carryOut               // the ledger says what becomes of the events
	look                   // that depends on what stands at Chargebee
)

// Refusal is why events cannot be given back safely, or not yet, and what to do instead.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

func refuse(format string, arguments ...any) error {
	return &Refusal{fmt.Sprintf(format, arguments...)}
}

// decideRelease says how the events of an invoice can be given back at now, or why they
// cannot, and what to do instead.
func decideRelease(head billing.Head, now time.Time, settings Settings) (way, error) {
	id := head.InvoiceID
	switch {
	case head.Version > billing.HeadVersion:
		return nothingHeld, refuse("the ledger's version %d of %s is newer than this program: use the program that wrote it", head.Version, id)
	case head.State == billing.Finished:
		return nothingHeld, refuse("%s is done (%s): its events are not held, and what is billed stays so", id, head.Outcome)
	case head.Owner != "" && now.Unix() < head.LeaseUntil:
		return nothingHeld, refuse("%s is being worked on: come again after %s", id, clock(time.Unix(head.LeaseUntil+1, 0)))
	case head.State == billing.Releasing, head.State == billing.Settling:
		return carryOut, nil
	case head.State != billing.Rejected:
		return nothingHeld, refuse("%s is %s and not rejected: its message goes on with it; where none is left, dlq replay --invoice %s --yes brings it back", id, head.State, id)
	case !head.HoldsClaims():
		return nothingHeld, nil
	case decided(head):
		return carryOut, nil
	}
	if shows := settings.allShows(head); now.Before(shows) { //mutant:release-shows
		return nothingHeld, refuse("what was sent for %s may not show yet: come again after %s", id, clock(shows))
	}
	return look, nil
}

// allShows is when everything shows at Chargebee that was sent until the head was last
// written, whatever clock its writer had. What was added had its effect before it was
// written down, and shows MaxEffectDelay later. What is in doubt may have its effect only
// MaxEffectDelay later, and show after that.
func (s Settings) allShows(head billing.Head) time.Time {
	// The ledger keeps whole seconds: the next one is surely not before the write.
	shows := time.Unix(head.UpdatedAt+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
	if head.Sending() {
		shows = shows.Add(s.MaxEffectDelay)
	}
	return shows
}

// maxNamed is how many lines an error names.
const maxNamed = 10

// decideDraft says why the events of a plan cannot be given back while the draft is
// pending, as it was read. None of our lines may stand on it. A line that was sent and may
// be there, changed by somebody, needs a person who vouches that it is not.
func decideDraft(draft billing.Invoice, lines []billing.Line, head billing.Head, originals []billing.InvoiceLine, notCharged bool) error {
	found := billing.Recognize(draft, lines, originals)
	var standing, alike []string
	for i, line := range lines {
		sent := i < head.Cursor || i == head.Cursor && head.Sending()
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
		return refuse("on %s stand lines that we charged, or that look just like them: remove them there and run this again, or close the invoice there and replay its message: the line %s",
			draft.ID, named(standing))
	case len(alike) > 0 && !notCharged:
		return refuse("on %s stand lines that may be ours, changed by somebody: remove them there, or say with --assert-not-charged why they are not: the line %s",
			draft.ID, named(alike))
	}
	return nil
}

// held says which lines of a draft that is gone cannot be given back, and what to do.
func held(invoiceID string, judgement billing.ReconcileResult, lines []billing.Line) error {
	if judgement.Reason == billing.DuplicateLine {
		return refuse("%s: %s: what was charged is not given back; credit the surplus at Chargebee", invoiceID, judgement.Detail)
	}
	var may []string
	for i, line := range lines {
		if judgement.Dispositions.Of(i) == billing.ChargeUnknown {
			may = append(may, fmt.Sprintf("%s of %s for %d", line.ChargeCode, line.SubscriptionID, line.Amount))
		}
	}
	return refuse("%s: %s: look at the customer's invoices, and if they were not charged, say with --assert-not-charged why: %s",
		invoiceID, judgement.Detail, named(may))
}

// named lists the first of many.
func named(all []string) string {
	if more := len(all) - maxNamed; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(all[:maxNamed], ", "), more)
	}
	return strings.Join(all, ", ")
}

func clock(at time.Time) string { return at.UTC().Format(time.RFC3339) }
