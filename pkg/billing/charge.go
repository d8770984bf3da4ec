package billing

// Charge is one line to be added to a pending invoice: of an item price, or else an
// ad-hoc one.
type Charge struct {
	InvoiceID      string
	SubscriptionID string // only when the invoice spans subscriptions
	Amount         int64  // minor units, at least 1
	From, To       int64  // the period of the line, unix seconds
	IdempotencyKey string

	ItemPriceID string // empty: an ad-hoc line

	Description string // of an ad-hoc line
	Tax         Tax    // of an ad-hoc line
}

// Close is the closing of a pending invoice.
type Close struct {
	InvoiceID      string
	IdempotencyKey string
}

// LinePage asks for an invoice with some of its lines.
type LinePage struct {
	InvoiceID string
	Offset    int // lines to skip
	Limit     int // lines to return at most
}

// InvoiceQuery asks for a page of a customer's invoices, oldest change first.
type InvoiceQuery struct {
	CustomerID   string
	UpdatedAfter int64  // unix seconds
	Offset       string // empty for the first page
}

// InvoicePage is a page of invoices.
type InvoicePage struct {
	Invoices []Invoice
	Next     string // the offset of the next page; empty on the last
}
