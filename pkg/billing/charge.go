package billing

import (
	"cmp"
	"errors"
)

// Charge is a line to add to a pending invoice: of an item price, or else ad-hoc.
type Charge struct {
	InvoiceID      string
	SubscriptionID string // only if the invoice has several subscriptions
	Amount         int64  // minor units, at least 1
	From, To       int64  // the period of the line, unix seconds
	IdempotencyKey string

	ItemPriceID string // empty: an ad-hoc line
	Quantity    int32  // of an item price: units; 0 is not sent

	Description string // of an ad-hoc line
	Tax         Tax    // of an ad-hoc line
}

// Close is a request to close a pending invoice.
type Close struct {
	InvoiceID      string
	IdempotencyKey string
}

// LinePage selects an invoice with one page of its lines.
type LinePage struct {
	InvoiceID string
	Offset    string // Invoice.NextOffset of the page before; empty for the first one
}

// InvoiceQuery selects one page of a list of invoices, by one of Pending, InvoiceID, SubscriptionID,
// CustomerID, or UpdatedAfter alone.
type InvoiceQuery struct {
	Pending        bool // all pending invoices
	InvoiceID      string
	SubscriptionID string // its invoices, except consolidated ones
	CustomerID     string // its invoices
	UpdatedAfter   int64  // invoices updated later, in unix seconds; with CustomerID or alone
	IncludeDeleted bool   // otherwise the list has no deleted invoices
	Offset         string // InvoicePage.Next of the page before; empty for the first one
	Limit          int    // invoices in the answer; 0 is MaxListed
}

// List calls list, again with a smaller limit while the response is too large. The query keeps the
// reduced limit for later pages.
func (q *InvoiceQuery) List(list func(InvoiceQuery) (InvoicePage, error)) (InvoicePage, error) {
	for {
		page, err := list(*q)
		failure, failed := errors.AsType[*Failure](err)
		limit := cmp.Or(q.Limit, MaxListed)
		if !failed || !failure.TooLarge || limit == 1 {
			return page, err
		}
		q.Limit = max(limit/4, 1)
	}
}

// MaxListed is the maximum number of invoices in one page of a list.
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
const MaxListed = 100

// InvoicePage is a page of invoices.
type InvoicePage struct {
	Invoices []Invoice
	Next     string // the offset of the next page; empty on the last
}
