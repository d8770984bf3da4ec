package billing

import (
	"cmp"
	"errors"
)

// Charge is a request to add a line to a pending invoice: a line of an item price, or an ad-hoc line.
type Charge struct {
	InvoiceID      string
	SubscriptionID string // only if the invoice has several subscriptions
	Amount         int64  // minor units, at least 1
	From, To       int64  // the period of the line, unix seconds
	IdempotencyKey string

	ItemPriceID string // empty for an ad-hoc line
	Quantity    int32  // only with ItemPriceID; 0 is not sent

	Description string // only of an ad-hoc line
	Tax         Tax    // only of an ad-hoc line
}

// Close is a request to close a pending invoice.
type Close struct {
	InvoiceID      string
	IdempotencyKey string
}

// LinePage selects an invoice with one page of its lines.
type LinePage struct {
	InvoiceID string
	Offset    string // Invoice.NextOffset of the page before; empty for the first page
}

// InvoiceQuery selects one page of a list of invoices. One of Pending, InvoiceID, SubscriptionID and CustomerID
// is set, or only UpdatedAfter.
type InvoiceQuery struct {
	Pending        bool   // select all pending invoices
	InvoiceID      string // select the invoice with this id
	SubscriptionID string // select the invoices of this subscription, except consolidated ones
	CustomerID     string // select the invoices of this customer
	UpdatedAfter   int64  // select invoices updated later, in unix seconds; alone or with CustomerID
	IncludeDeleted bool   // include deleted invoices
	Offset         string // InvoicePage.Next of the page before; empty for the first page
	Limit          int    // maximum number of invoices in the page; 0 is MaxListed
}

// List calls list. While the response is too large, it reduces q.Limit, also for later pages, and calls list
// again.
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
	Next     string // the offset of the next page; empty on the last page
}
