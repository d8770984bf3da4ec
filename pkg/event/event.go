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

// Event is a webhook event. Of other types than PendingInvoiceCreated, only ID and Type are
// set.
type Event struct {
	ID         string
	Type       string
	OccurredAt int64 // unix seconds; 0 if the event has no valid occurred_at
	Invoice    Invoice
}

// Invoice is the invoice of an event. Chargebee may omit any field except ID or send null,
// which gives the zero value.
type Invoice struct {
	ID             string
	CustomerID     string
	SubscriptionID string // empty on a consolidated invoice
	CurrencyCode   string
	Status         string
	Date           int64      // unix seconds
	LineItems      []LineItem // nil if absent or null
	MoreLines      bool       // LineItems are not all lines
}

// MaxLineItems is the maximum number of lines that are kept of an event. Chargebee's support warns
// that invoices above 800 lines may not be processed.
const MaxLineItems = 1000

// LineItem is a line of the invoice. Absent and invalid fields are empty.
type LineItem struct {
	ID             string
	SubscriptionID string
}
