// Package event reads Chargebee's webhook events: which fields this system needs
// of them, which events are valid, and the two forms in which they travel, as the
// body of a webhook and as the detail of an EventBridge envelope.
package event

// PendingInvoiceCreated is the type of the only event that this system bills.
// https://apidocs.chargebee.com/docs/api/events/webhook/pending_invoice_created
const PendingInvoiceCreated = "pending_invoice_created"

// Event is what this system reads of a webhook event. Of events of another type
// than PendingInvoiceCreated only ID and Type are set.
type Event struct {
	ID         string
	Type       string
	OccurredAt int64 // unix seconds; 0 if the event has no usable occurred_at
	Invoice    Invoice
}

// Invoice is the invoice that an event is about. Only ID is always set: Chargebee may
// leave out any other member, or send null for it, and both give the zero value.
type Invoice struct {
	ID             string
	CustomerID     string
	SubscriptionID string // empty on a consolidated invoice
	CurrencyCode   string
	Status         string
	Date           int64      // unix seconds
	LineItems      []LineItem // nil if the member is absent or null
	MoreLines      bool       // LineItems is only the first page of the lines
}

// LineItem is one line of the invoice as it was when the event occurred. What the
// event does not say is empty.
type LineItem struct {
	ID             string
	SubscriptionID string
}
