// Package event parses Chargebee's webhook events: the body of a webhook, and the detail of an
// EventBridge envelope.
//
// [Parse] and [ParseMessage] return an [Event] with the fields that Billable uses, or an
// [InvalidError] that lists every invalid field. Invariant: an event of type
// [PendingInvoiceCreated] has an id and an invoice id that SQS accepts as attributes.
package event

// PendingInvoiceCreated is the only event type that Billable bills.
// https://apidocs.chargebee.com/docs/api/events/webhook/pending_invoice_created
const PendingInvoiceCreated = "pending_invoice_created"

// Event is a webhook event. If Type is not PendingInvoiceCreated, only ID and Type are set.
type Event struct {
	ID         string
	Type       string
	OccurredAt int64 // unix seconds; 0 if the event has no valid occurred_at
	Invoice    Invoice
}

// Invoice is the invoice of an event. Fields except ID are zero if they are absent or null in the event.
type Invoice struct {
	ID             string
	CustomerID     string
	SubscriptionID string // empty on a consolidated invoice
	CurrencyCode   string
	Status         string
	Date           int64      // unix seconds
	LineItems      []LineItem // nil if absent or null
	MoreLines      bool       // the invoice has lines that LineItems does not contain
}

// MaxLineItems is the maximum number of LineItems. Chargebee's support warns that it may not process
// invoices of more than 800 lines.
const MaxLineItems = 1000

// LineItem is a line of the invoice. A field is empty if it is absent or invalid in the event.
type LineItem struct {
	ID             string
	SubscriptionID string
}
