package billing

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The statuses of an invoice that Billable distinguishes.
const (
	StatusPending = "pending" // charges can be added
	StatusVoided  = "voided"  // closed, and canceled later
)

// DefaultLineLimit is the default of line_items_limit: a response with this many lines may lack others.
// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
const DefaultLineLimit = 100

// The entity_type of lines that were added to a pending invoice.
const (
	EntityAdHoc           = "adhoc"             // by add_charge
	EntityChargeItemPrice = "charge_item_price" // by add_charge_item
)

// Invoice is an invoice as a response or a webhook shows it.
type Invoice struct {
	ID             string
	CustomerID     string
	SubscriptionID string // empty on a consolidated invoice
	CurrencyCode   string
	Status         string
	Date           int64 // unix seconds
	Deleted        bool
	Version        int64 // resource_version, which grows with each change; 0 if the response lacks it
	Lines          []InvoiceLine
	NextOffset     string // of the next page of lines; empty on the last page
}

// InvoiceLine is one line item of an Invoice. The ledger stores it without its description.
type InvoiceLine struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id,omitempty"`
	EntityType     string `json:"entity_type,omitempty"`
	EntityID       string `json:"entity_id,omitempty"` // the item price; empty for an ad-hoc line
	Description    string `json:"-"`
	Amount         int64  `json:"amount,omitempty"`    // minor units
	From           int64  `json:"date_from,omitempty"` // the period of the line, unix seconds
	To             int64  `json:"date_to,omitempty"`
}

// MayLackLines reports whether the invoice may have more lines than the response shows.
func (i Invoice) MayLackLines() bool { return i.NextOffset != "" || len(i.Lines) >= DefaultLineLimit }

// Pending reports whether the invoice can be charged and closed.
func (i Invoice) Pending() bool { return i.Status == StatusPending && !i.Deleted } //mutant:is-pending

// IsWithdrawn reports whether the invoice was voided or deleted: it charges nothing anymore.
func (i Invoice) IsWithdrawn() bool { return i.Status == StatusVoided || i.Deleted }

// subscriptions returns the subscriptions whose events the invoice bills, sorted: its own, or else
// those of its lines.
func (i Invoice) subscriptions() []string {
	if i.SubscriptionID != "" {
		return []string{i.SubscriptionID}
	}
	var all []string
	for _, line := range i.Lines {
		if line.SubscriptionID != "" {
			all = append(all, line.SubscriptionID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// markers returns the distinct texts of markerLength bytes in brackets in the description.
func (l InvoiceLine) markers() []string {
	var markers []string
	_, rest, _ := strings.Cut(l.Description, "[")
	for part := range strings.SplitSeq(rest, "[") {
		marker, _, closed := strings.Cut(part, "]")
		if closed && len(marker) == markerLength && !slices.Contains(markers, marker) {
			markers = append(markers, marker)
		}
	}
	return markers
}

// markerSuffix is the end of a description with a marker.
var markerSuffix = regexp.MustCompile(fmt.Sprintf(`\[[a-z2-7]{%d}\]$`, markerLength))

// FindMarkedLine returns an ad-hoc line whose description ends with a marker, of whatever plan.
func (i Invoice) FindMarkedLine() (marked InvoiceLine, found bool) {
	for _, line := range i.Lines {
		if line.EntityType == EntityAdHoc && markerSuffix.MatchString(line.Description) {
			return line, true
		}
	}
	return InvoiceLine{}, false
}

// equals reports whether two lines are equal apart from id and description. A line without a subscription has
// the subscription of the invoice.
func (l InvoiceLine) equals(other InvoiceLine, invoiceSubscription string) bool {
	return l.EntityType == other.EntityType && l.EntityID == other.EntityID && l.Amount == other.Amount &&
		l.From == other.From && l.To == other.To &&
		cmp.Or(l.SubscriptionID, invoiceSubscription) == cmp.Or(other.SubscriptionID, invoiceSubscription)
}
