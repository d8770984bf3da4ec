package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Recognized is what was found of the lines of a plan on an invoice.
type Recognized struct {
	Counts []int // how many lines of the invoice are the i-th of the plan; a charge must be there once

	plan []Line
	// others are lines that may be ours after an edit: they have the identity of no planned line,
	// or are taken for originals only because they equal one.
	others []InvoiceLine
}

// Recognize looks for the lines of a plan on an invoice with all its lines.
//
// An ad-hoc line is identified by its marker, a random text in its description. The line of
// an item price has no text of ours: add_charge_item takes no description, and no answer shows
// the parameter comment. It is identified by item price, subscription, amount and dates, among
// the lines that are not originals. Originals are the lines that the invoice had before any of
// ours. Another invoice of the subscription can have an equal line: only markers lead from a
// draft to its final invoice.
//
// Originals are recognised by their ids. Chargebee does not document whether the close keeps
// them. If none of the ids is on an issued invoice, one line that equals it is left out for each
// original. That needs the originals as Chargebee shows them, not their ids alone.
//
// https://apidocs.chargebee.com/docs/api/invoices/add-a-charge-item-to-a-pending-invoice
func Recognize(invoice Invoice, plan []Line, originals []InvoiceLine) Recognized {
	added, originalsFound := withoutIDs(invoice.Lines, originals)
	recognized := Recognized{Counts: make([]int, len(plan)), plan: plan}
	if invoice.Status != StatusPending && !originalsFound {
		added, recognized.others = withoutEquals(added, originals, invoice.SubscriptionID)
	}

	byMarker := make(map[string]int, len(plan))
	byItemPrice := map[itemPriceKey]int{}
	for i, line := range plan {
		if line.ItemPriceID == "" {
			byMarker[line.Marker] = i
		} else {
			byItemPrice[itemPriceKey{line.ItemPriceID, line.SubscriptionID}] = i
		}
	}
	for _, line := range added {
		ours := false
		for marker := range line.markers() {
			if i, ok := byMarker[marker]; ok {
				recognized.Counts[i]++
				ours = true
			}
		}
		key := itemPriceKey{line.EntityID, cmp.Or(line.SubscriptionID, invoice.SubscriptionID)}
		if i, ok := byItemPrice[key]; ok && plan[i].hasFingerprintOf(line) {
			recognized.Counts[i]++
			ours = true
		}
		if !ours {
			recognized.others = append(recognized.others, line)
		}
	}
	return recognized
}

// itemPriceKey identifies a line of an item price within a plan: no two charge codes have
// the same item price.
type itemPriceKey struct{ itemPriceID, subscriptionID string }

// withoutIDs returns the lines without those that have the id of an original, and reports
// whether there were any.
func withoutIDs(lines, originals []InvoiceLine) (added []InvoiceLine, found bool) {
	ids := make(map[string]bool, len(originals))
	for _, original := range originals {
		if original.ID != "" {
			ids[original.ID] = true
		}
	}
	for _, line := range lines {
		if ids[line.ID] {
			found = true
		} else {
			added = append(added, line)
		}
	}
	return added, found
}

// withoutEquals returns the lines without one that equals it for each original, and the lines
// that it left out.
func withoutEquals(lines, originals []InvoiceLine, subscription string) (kept, leftOut []InvoiceLine) {
	kept = slices.Clone(lines)
	for _, original := range originals {
		at := slices.IndexFunc(kept, func(line InvoiceLine) bool { return line.equals(original, subscription) })
		if at >= 0 {
			leftOut = append(leftOut, kept[at])
			kept = slices.Delete(kept, at, at+1)
		}
	}
	return kept, leftOut
}

// dateTolerance is more than the dates of a line may differ from those that were sent: answers
// may show them rounded to the day. Chargebee does not document whether they do.
const dateTolerance = int64(24 * time.Hour / time.Second)

// hasFactsOf reports whether a line of the same item price and subscription is this one.
func (l Line) hasFingerprintOf(found InvoiceLine) bool {
	near := func(a, b int64) bool { return a-b < dateTolerance && b-a < dateTolerance } //mutant:date-tolerance
	return found.EntityType == EntityChargeItemPrice && found.Amount == l.Amount && near(found.From, l.From) && near(found.To, l.To)
}

// Resembles reports whether the invoice has a line that may be the i-th of the plan after
// a manual edit: one that has no identity of ours and was not there before.
func (r Recognized) Resembles(i int) bool {
	return slices.ContainsFunc(r.others, func(found InvoiceLine) bool {
		return r.plan[i].resembles(found) && !r.isOfOtherSubscription(found, r.plan[i].SubscriptionID)
	})
}

// isOfOther reports whether a line is of another subscription than the given one that the plan
// charges. A line of any other subscription may be ours: on an invoice of one subscription it
// has the invoice's, which an operator may change after the plan was made.
func (r Recognized) isOfOtherSubscription(found InvoiceLine, subscription string) bool {
	//mutant:of-other-subscription
	return found.SubscriptionID != subscription &&
		slices.ContainsFunc(r.plan, func(line Line) bool { return line.SubscriptionID == found.SubscriptionID })
}

// resembles reports whether the found line has what cannot be edited away without making
// another line of it: what it is for and, where text is all that was ours, the amount.
func (l Line) resembles(found InvoiceLine) bool {
	if l.ItemPriceID == "" {
		return found.EntityType == EntityAdHoc && found.Amount == l.Amount
	}
	return found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID //mutant:resembles-item-price
}

// Identity describes by what the line is recognised, as in "the line with marker …".
func (l Line) Identity() string {
	if l.ItemPriceID == "" {
		return "with marker " + l.Marker
	}
	date := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("of item price %s for %s from %s to %s", l.ItemPriceID, l.SubscriptionID, date(l.From), date(l.To))
}
