package billing

import (
	"cmp"
	"fmt"
	"slices"
)

// EventKey identifies a billable event.
type EventKey struct {
	SubscriptionID string `json:"subscription_id"`
	EventID        string `json:"event_id"`
}

func (k EventKey) String() string { return k.SubscriptionID + "/" + k.EventID }

// Event is a billable event as the events table has it. Absent values are empty.
type Event struct {
	EventKey

	OccurredAt   int64  `json:"occurred_at"` // unix seconds
	ChargeCode   string `json:"charge_code,omitempty"`
	Description  string `json:"description,omitempty"`
	Amount       string `json:"amount,omitempty"`   // decimal, in minor units: hundredths, or whole units of a zero-decimal currency
	Quantity     string `json:"quantity,omitempty"` // decimal
	CurrencyCode string `json:"currency_code,omitempty"`

	// Fault is the reason why the event cannot be billed, empty if it can. A page may have such an event, but
	// the event is not marked as claimed, and the plan is rejected. Validated removes its values.
	Fault string `json:"fault,omitempty"`

	Size int `json:"-"` // of the item in the events table, in bytes
}

// Values describes the values that determine the charge of the event. It is empty if the event has none.
func (e Event) Values() string {
	if e.Amount == "" && e.ChargeCode == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %s, quantity %s, at %d", e.ChargeCode, e.Amount, e.CurrencyCode, cmp.Or(e.Quantity, "none"), e.OccurredAt)
}

// MaxDescription is the maximum length of a line's description in UTF-16 code units. Chargebee
// documents 250 characters and not their unit; code units are never fewer than code points.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
const MaxDescription = 250

// MaxPageEvents is the maximum number of events of one page plus their subscriptions. With the record, the
// manifest and the page they fit one transaction of 100 actions.
const MaxPageEvents = 97

// MaxPageSize is the maximum size in bytes of one page, and of one part of a plan: DynamoDB allows 400 KB
// for an item. MaxEventsSize is the maximum stored size of the events of one page: with the page they fit
// one transaction of 4 MB.
const (
	MaxPageSize   = 300 << 10
	MaxEventsSize = 3 << 20
)

// Page is one page of claimed events. The pages determine what an invoice bills, and do not change.
type Page struct {
	Number int
	Events []Event
}

// Subscriptions returns the distinct subscriptions of the events.
func (p Page) Subscriptions() []string {
	var all []string
	for _, event := range p.Events {
		if !slices.Contains(all, event.SubscriptionID) {
			all = append(all, event.SubscriptionID)
		}
	}
	return all
}

// SubscriptionInvoice is an invoice that claimed events of a subscription.
type SubscriptionInvoice struct {
	ID   string // of the draft
	Date int64  // of the invoice, unix seconds; its events occurred before
}

// Rewritten is an event that was claimed or billed for an invoice before its producer wrote it again. The
// write removed status and invoice from the item: the event appears as unbilled.
type Rewritten struct {
	Event // as it is now

	Claimed        Event  // the event as it was claimed
	Settled        bool   // the event was billed; otherwise it was only claimed
	InvoiceID      string // of the draft
	FinalInvoiceID string // may be empty
	BilledAt       int64  // if Settled: unix seconds
}

// ClaimedEvent is an event that is claimed for an invoice.
type ClaimedEvent struct {
	EventKey

	InvoiceID string // of the draft
}
