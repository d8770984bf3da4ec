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

	// Fault names an attribute that is stored with another type than documented.
	// Such an event can be claimed and released but not billed.
	Fault string

	Size int // bytes of the item as it was read; not kept in pages
}

// MaxDescription is the most characters (code points) that Chargebee takes as the
// description of a line.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
const MaxDescription = 250

// MaxPageEvents is the most events of one page: together with the head and the
// page itself they fit one transaction of 100 actions.
const MaxPageEvents = 98

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

// Manifest is what the first message of an epoch said about its invoice. It is
// used ever after, whatever later messages say.
type Manifest struct {
	InvoiceID      string
	Epoch          string
	Date           int64 // unix seconds; only events strictly before it are billed
	CurrencyCode   string
	CustomerID     string
	SubscriptionID string   // empty on a consolidated invoice
	Subscriptions  []string // whose events are billed
	LineIDs        []string // the lines that stood on the invoice before ours
	Unconfirmed    bool     // the message did not say that the invoice was pending: read it before charging
	ClaimedAt      int64    // unix seconds, when the epoch began
}
