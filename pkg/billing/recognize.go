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

	plan   []Line
	others []InvoiceLine // lines that are not recognised and do not have the id of an original
}

// Recognize looks for the lines of a plan on an invoice with all its lines.
//
// Originals are the lines that the invoice had before any line of the plan. They are recognised by their ids and
// left out. Chargebee does not document whether close keeps the ids: if an invoice that is not pending has none of
// them, one equal line is left out for each original.
//
// Among the other lines, an ad-hoc line is identified by its marker, a hash in its description. A line of an item
// price has no marker: add_charge_item takes no description, and no response shows its parameter comment. Such a
// line is identified by its fingerprint: item price, subscription, amount and dates. Another invoice of the
// subscription can have a line with the same fingerprint, so that fingerprints do not identify an invoice.
//
// https://apidocs.chargebee.com/docs/api/invoices/add-a-charge-item-to-a-pending-invoice
func Recognize(invoice Invoice, plan []Line, originals []InvoiceLine) Recognized {
	candidates, originalsFound := withoutIDs(invoice.Lines, originals)
	recognized := Recognized{Counts: make([]int, len(plan)), plan: plan}
	if invoice.Status != StatusPending && !originalsFound {
		candidates, recognized.others = withoutEquals(candidates, originals, invoice.SubscriptionID)
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
	for _, line := range candidates {
		isPlanned := false
		for _, marker := range line.markers() {
			if i, ok := byMarker[marker]; ok {
				recognized.Counts[i]++
				isPlanned = true
			}
		}
		key := itemPriceKey{line.EntityID, cmp.Or(line.SubscriptionID, invoice.SubscriptionID)}
		if i, ok := byItemPrice[key]; ok && plan[i].hasFingerprintOf(line) {
			recognized.Counts[i]++
			isPlanned = true
		}
		if !isPlanned {
			recognized.others = append(recognized.others, line)
		}
	}
	return recognized
}

// itemPriceKey identifies a line of an item price within a plan: no two charge codes have the same item price.
type itemPriceKey struct{ itemPriceID, subscriptionID string }

// withoutIDs returns the lines that do not have the id of an original. found reports whether any line has one.
func withoutIDs(lines, originals []InvoiceLine) (kept []InvoiceLine, found bool) {
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
			kept = append(kept, line)
		}
	}
	return kept, found
}

// withoutEquals leaves out, for each original, one line that equals it, if there is one.
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

// dateTolerance is the difference in seconds from which a sent and a shown date are not the same. Responses may
// show dates rounded to the day: Chargebee does not document it.
const dateTolerance = int64(24 * time.Hour / time.Second)

// hasFingerprintOf reports whether a line of the same item price and subscription has the fingerprint of this line.
func (l Line) hasFingerprintOf(found InvoiceLine) bool {
	near := func(a, b int64) bool { return a-b < dateTolerance && b-a < dateTolerance } //mutant:date-tolerance
	return found.EntityType == EntityChargeItemPrice && found.Amount == l.Amount && near(found.From, l.From) && near(found.To, l.To)
}

// Resembles reports whether the invoice has a line that may be the i-th line of the plan after a manual edit.
func (r Recognized) Resembles(i int) bool {
	return slices.ContainsFunc(r.others, func(found InvoiceLine) bool {
		return r.plan[i].resembles(found) && !r.isOfOtherSubscription(found, r.plan[i].SubscriptionID)
	})
}

// isOfOtherSubscription reports whether the plan has lines of the subscription of the found line, and it is not
// the given one. A found line of a subscription without lines in the plan may be a line of the plan: an operator
// may change the subscription of an invoice.
func (r Recognized) isOfOtherSubscription(found InvoiceLine, subscription string) bool {
	//mutant:of-other-subscription
	return found.SubscriptionID != subscription &&
		slices.ContainsFunc(r.plan, func(line Line) bool { return line.SubscriptionID == found.SubscriptionID })
}

// resembles reports whether the found line is of the same item price, or is an ad-hoc line of the same amount.
func (l Line) resembles(found InvoiceLine) bool {
	if l.ItemPriceID == "" {
		return found.EntityType == EntityAdHoc && found.Amount == l.Amount
	}
	return found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID //mutant:resembles-item-price
}

// Identity describes how the line is recognised. It continues the text "the line", for example "with marker …".
func (l Line) Identity() string {
	if l.ItemPriceID == "" {
		return "with marker " + l.Marker
	}
	date := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("of item price %s for %s from %s to %s", l.ItemPriceID, l.SubscriptionID, date(l.From), date(l.To))
}
