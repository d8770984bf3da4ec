package billing

// EventKey names one billable event.
type EventKey struct {
	SubscriptionID string
	EventID        string
}

func (k EventKey) String() string { return k.SubscriptionID + "/" + k.EventID }

// Event is one billable event, its values as they stand in the table; an absent
// one is empty.
type Event struct {
	EventKey

	OccurredAt   int64 // unix seconds
	ChargeCode   string
	Description  string
	Amount       string // decimal, in the unit that Chargebee counts for the currency
	Quantity     string // decimal
	CurrencyCode string

	// Fault says which attribute makes the event one that cannot be billed, and why. Such
	// an event has no values. It is never claimed, and its invoice is rejected.
	Fault string

	Size int // bytes of the item as it was read; not kept in pages
}

// MaxDescription is the most UTF-16 code units of the description of a line. Chargebee
// documents 250 characters and not their unit; code units are never fewer than code points.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
const MaxDescription = 250

// MaxPageEvents is the most events of one page: together with the head, the manifest and the
// page itself they fit one transaction of 100 actions.
const MaxPageEvents = 97

// MaxPageSize is the most bytes of one page, and of one part of a plan: an item
// takes 400 KB. MaxEventsSize is the most bytes of the events of one page, as they
// are stored: with the page itself they fit one transaction of 4 MB.
const (
	MaxPageSize   = 300 << 10
	MaxEventsSize = 3 << 20
)

// Page is one page of claimed events. The pages are the truth about what an
// invoice bills; they never change once written.
type Page struct {
	Number int
	Events []Event
}
