package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Recognized is the result of Recognize.
type Recognized struct {
	Counts []int // how many times the i-th line of the plan is on the invoice

	plan []Line
	// others are lines that may be lines of the plan after a manual edit: they are not recognised, or
	// count as originals only because they equal one.
	others []InvoiceLine
}

// Recognize looks for the lines of a plan on an invoice with all its lines.
//
// An ad-hoc line is identified by its marker, a hash in its description. A line of an item price has
// no marker: add_charge_item takes no description, and no answer shows the parameter comment. It is
// identified by its fingerprint (item price, subscription, amount and dates) among the lines that are
// not originals. Originals are the lines that the invoice had before any line of the plan. Another
// invoice of the subscription can have a line with the same fingerprint: only markers identify the
// final invoice of a draft.
//
// Originals are recognised by their ids. Chargebee does not document whether close keeps them. If a
// closed invoice has none of the ids, one equal line is left out for each original. That needs the
// originals as Chargebee shows them, not only their ids.
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
		planned := false
		for marker := range line.markers() {
			if i, ok := byMarker[marker]; ok {
				recognized.Counts[i]++
				planned = true
			}
		}
		key := itemPriceKey{line.EntityID, cmp.Or(line.SubscriptionID, invoice.SubscriptionID)}
		if i, ok := byItemPrice[key]; ok && plan[i].hasFingerprintOf(line) {
			recognized.Counts[i]++
			planned = true
		}
		if !planned {
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

// dateTolerance is the smallest difference between sent and shown dates that makes another line.
// Answers may show dates rounded to the day: Chargebee does not document it.
const dateTolerance = int64(24 * time.Hour / time.Second)

// hasFingerprintOf reports whether a found line of the same item price and subscription is this line.
func (l Line) hasFingerprintOf(found InvoiceLine) bool {
	near := func(a, b int64) bool { return a-b < dateTolerance && b-a < dateTolerance } //mutant:date-tolerance
	return found.EntityType == EntityChargeItemPrice && found.Amount == l.Amount && near(found.From, l.From) && near(found.To, l.To)
}

// Resembles reports whether the invoice has a line that may be the i-th line of the plan after a
// manual edit: one that is neither recognised nor an original.
func (r Recognized) Resembles(i int) bool {
	return slices.ContainsFunc(r.others, func(found InvoiceLine) bool {
		return r.plan[i].resembles(found) && !r.isOfOtherSubscription(found, r.plan[i].SubscriptionID)
	})
}

// isOfOtherSubscription reports whether a line belongs to another subscription of the plan than the
// given one. A line of a subscription that the plan does not have may be a line of the plan: on an
// invoice of one subscription it has the invoice's, which an operator may change.
func (r Recognized) isOfOtherSubscription(found InvoiceLine, subscription string) bool {
	//mutant:of-other-subscription
	return found.SubscriptionID != subscription &&
		slices.ContainsFunc(r.plan, func(line Line) bool { return line.SubscriptionID == found.SubscriptionID })
}

// resembles reports whether the found line has what an edit does not change: the item price, or the
// amount of an ad-hoc line.
func (l Line) resembles(found InvoiceLine) bool {
	if l.ItemPriceID == "" {
		return found.EntityType == EntityAdHoc && found.Amount == l.Amount
	}
	return found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID //mutant:resembles-item-price
}

// Identity describes how the line is recognised, as in "the line with marker …".
func (l Line) Identity() string {
	if l.ItemPriceID == "" {
		return "with marker " + l.Marker
	}
	date := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("of item price %s for %s from %s to %s", l.ItemPriceID, l.SubscriptionID, date(l.From), date(l.To))
}
