package billing

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// StatusPending is the status of an invoice that can still be charged.
const StatusPending = "pending"

// ShortAnswer is the number of lines from which an answer may not show all of an
// invoice's: it is the default of line_items_limit.
// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
const ShortAnswer = 100

// The entity_type of lines that were added to a pending invoice.
const (
	EntityAdHoc           = "adhoc"             // by add_charge
	EntityChargeItemPrice = "charge_item_price" // by add_charge_item
)

// Invoice is an invoice as Chargebee showed it.
type Invoice struct {
	ID             string
	CustomerID     string
	SubscriptionID string
	CurrencyCode   string
	Status         string
	Date           int64
	Lines          []InvoiceLine
}

// InvoiceLine is one line item of an Invoice.
type InvoiceLine struct {
	ID             string
	SubscriptionID string
	EntityType     string
	EntityID       string // the item price; empty of an ad-hoc line
	Description    string
	Amount         int64 // minor units
	From, To       int64 // the period of the line, unix seconds
}

// Marks counts, by mark, the lines that bear it and did not stand on the invoice
// before: what Count says of each, in one pass over the lines.
func (i Invoice) Marks(originals []string) map[Mark]int {
	marks := make(map[Mark]int, len(i.Lines))
	for _, line := range i.Lines {
		if slices.Contains(originals, line.ID) {
			continue
		}
		if line.EntityType == EntityChargeItemPrice {
			marks[Mark{facts: i.fingerprint(line)}]++
		}
		for marker := range line.markers() {
			marks[Mark{marker: marker}]++
		}
	}
	return marks
}

// fingerprint is what the line of an item price is recognised by. One that names no
// subscription is the invoice's own.
func (i Invoice) fingerprint(line InvoiceLine) fingerprint {
	return fingerprint{
		itemPriceID:    line.EntityID,
		subscriptionID: cmp.Or(line.SubscriptionID, i.SubscriptionID),
		amount:         line.Amount,
		from:           line.From,
		to:             line.To,
	}
}

// markers yields each distinct marker in the description.
func (l InvoiceLine) markers() iter.Seq[string] {
	return func(yield func(string) bool) {
		rest := l.Description
		for {
			open := strings.IndexByte(rest, '[')
			if open < 0 || len(rest)-open < markerLength+2 {
				return
			}
			seen := l.Description[:len(l.Description)-len(rest)+open]
			rest = rest[open+1:]
			marker := rest[:markerLength]
			if rest[markerLength] != ']' || strings.Contains(seen, "["+marker+"]") {
				continue
			}
			if !yield(marker) {
				return
			}
		}
	}
}

// Count returns how many lines bear the mark and did not stand on the invoice before.
func (i Invoice) Count(mark Mark, originals []string) int {
	count := 0
	for _, line := range i.Lines {
		if i.bears(line, mark) && !slices.Contains(originals, line.ID) {
			count++
		}
	}
	return count
}

// bears tells whether a line of the invoice bears the mark.
func (i Invoice) bears(line InvoiceLine, mark Mark) bool {
	if mark.Unique() {
		return strings.Contains(line.Description, "["+mark.marker+"]")
	}
	return line.EntityType == EntityChargeItemPrice && i.fingerprint(line) == mark.facts
}
