package billing

import (
	"iter"
	"strings"
)

// StatusPending is the status of an invoice that can still be charged.
const StatusPending = "pending"

// EntityAdHoc is the entity_type of a line that add_charge made.
const EntityAdHoc = "adhoc"

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
	Description    string
	Amount         int64 // minor units
}

// Carries tells whether the line bears the marker.
func (l InvoiceLine) Carries(marker string) bool {
	return strings.Contains(l.Description, "["+marker+"]")
}

// Marks counts, by marker, the lines that bear it: what Count says of each, in one
// pass over the lines.
func (i Invoice) Marks() map[string]int {
	marks := make(map[string]int, len(i.Lines))
	for _, line := range i.Lines {
		for marker := range line.markers() {
			marks[marker]++
		}
	}
	return marks
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

// Count returns how many lines bear the marker.
func (i Invoice) Count(marker string) int {
	count := 0
	for _, line := range i.Lines {
		if line.Carries(marker) {
			count++
		}
	}
	return count
}
