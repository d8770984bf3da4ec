package billing

// Charge is one line to be added to a pending invoice.
type Charge struct {
	InvoiceID      string
	SubscriptionID string // only when the invoice spans subscriptions
	Amount         int64  // minor units, at least 1
	Description    string
	From, To       int64 // the period of the line, unix seconds
	IdempotencyKey string
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
