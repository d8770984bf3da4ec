package billing

import "strings"

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
