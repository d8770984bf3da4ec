package billing

import "cmp"

// Charge is one line to be added to a pending invoice: of an item price, or else an
// ad-hoc one.
type Charge struct {
	InvoiceID      string
	SubscriptionID string // only when the invoice spans subscriptions
	Amount         int64  // minor units, at least 1
	From, To       int64  // the period of the line, unix seconds
	IdempotencyKey string

	ItemPriceID string // empty: an ad-hoc line
	Quantity    int32  // of an item price: units; 0 is not sent

	Description string // of an ad-hoc line
	Tax         Tax    // of an ad-hoc line
}

// Close is the closing of a pending invoice.
type Close struct {
	InvoiceID      string
	IdempotencyKey string
}

// LinePage asks for an invoice with a page of its lines.
type LinePage struct {
	InvoiceID string
	Offset    string // Invoice.NextOffset of the page before; empty for the first one
}

// InvoiceQuery asks for a page of a list of invoices: of all pending ones, of one by its id,
// or of those of a customer.
type InvoiceQuery struct {
	Pending      bool
	InvoiceID    string
	CustomerID   string
	UpdatedAfter int64  // of a customer's, unix seconds
	Offset       string // InvoicePage.Next of the page before; empty for the first one
	Limit        int    // invoices in the answer; 0 is MaxListed
}

// Shrink makes the limit smaller, for an answer that was too large. It reports false if the
// query asks for one invoice already.
func (q *InvoiceQuery) ReduceLimit() bool {
	limit := cmp.Or(q.Limit, MaxListed)
	if limit == 1 {
		return false
	}
	q.Limit = max(limit/4, 1)
	return true
}

// MaxListed is the most invoices that one page of a list holds.
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
const MaxListed = 100

// InvoicePage is a page of invoices.
type InvoicePage struct {
	Invoices []Invoice
	Next     string // the offset of the next page; empty on the last
}
