package billing

import (
	"fmt"
	"time"
)

// Mark is by what a line of a plan is recognised on an invoice. It is a marker in the
// line's description, or, for the line of an item price, a fingerprint: the call that
// adds one takes no text, and its comment shows in no answer.
// https://apidocs.chargebee.com/docs/api/invoices/add-a-charge-item-to-a-pending-invoice
//
// Marks can be compared and be the keys of maps.
type Mark struct {
	marker string
	facts  fingerprint
}

// fingerprint is all that is sent of the line of an item price.
type fingerprint struct {
	itemPriceID, subscriptionID string
	amount                      int64 // minor units
	from, to                    int64 // unix seconds
}

// Mark returns what the line bears on an invoice.
func (l Line) Mark() Mark {
	if l.ItemPriceID == "" {
		return Mark{marker: l.Marker}
	}
	return Mark{facts: fingerprint{
		itemPriceID:    l.ItemPriceID,
		subscriptionID: l.SubscriptionID,
		amount:         l.Amount,
		from:           l.From,
		to:             l.To,
	}}
}

// Unique tells whether no line of another plan bears the mark. A marker is random; a
// fingerprint may stand on any other invoice of the subscription: two events of one
// amount in the same second are enough. It says which line it is only where the
// invoice is known to be the right one.
func (m Mark) Unique() bool { return m.marker != "" }

// String describes the line that bears the mark, as in "the line with marker …".
func (m Mark) String() string {
	if m.Unique() {
		return "with marker " + m.marker
	}
	day := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("of item price %s for %s from %s to %s", m.facts.itemPriceID, m.facts.subscriptionID, day(m.facts.from), day(m.facts.to))
}
