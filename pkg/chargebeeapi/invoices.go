package chargebeeapi

import (
	"context"
	"time"

	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/filter"
	invoicemodel "github.com/chargebee/chargebee-go/v3/models/invoice"
	invoiceenum "github.com/chargebee/chargebee-go/v3/models/invoice/enum"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
)

// maxInvoices is the most invoices that a page of a list holds.
const maxInvoices = 100

// Invoice returns an invoice with a page of its lines. A site without Enterprise-scale
// Invoicing knows no such pages and answers all lines every time, whatever was asked
// for: callers tell lines apart by their ids.
// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
func (c *Client) Invoice(ctx context.Context, permit *pace.Permit, page billing.LinePage) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:    c,
		name:      "retrieve",
		arguments: []argument{{"invoice id", page.InvoiceID}},
		decode:    decodeInvoice,
		send: func(ctx context.Context) error {
			// The SDK has no names for these two. On a request without parameters
			// AddParams would panic.
			request := invoiceaction.Retrieve(page.InvoiceID, &invoicemodel.RetrieveRequestParams{})
			if page.Limit > 0 {
				request = request.AddParams("line_items_limit", page.Limit)
			}
			if page.Offset > 0 {
				request = request.AddParams("line_items_offset", page.Offset)
			}
			_, err := request.Contexts(ctx).RequestWithEnv(c.environment)
			return err
		},
	})
}

// CustomerInvoices returns a page of a customer's invoices, the one least recently
// changed first: one that changes between two pages comes again, and none is left out.
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (c *Client) CustomerInvoices(ctx context.Context, permit *pace.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error) {
	return call(ctx, permit, operation[billing.InvoicePage]{
		client:    c,
		name:      "list",
		arguments: []argument{{"customer id", query.CustomerID}},
		decode:    decodePage,
		send: func(ctx context.Context) error {
			limit := int32(maxInvoices)
			_, err := invoiceaction.List(&invoicemodel.ListRequestParams{
				CustomerId: &filter.StringFilter{Is: query.CustomerID},
				UpdatedAt:  &filter.TimestampFilter{After: query.UpdatedAfter},
				SortBy:     &filter.SortFilter{Asc: "updated_at"},
				Limit:      &limit,
				Offset:     query.Offset,
			}).Contexts(ctx).ListRequestWithEnv(c.environment)
			return err
		},
	})
}

// PendingInvoices returns a page of the site's pending invoices, the oldest date first:
// by what does not change while they are charged, so that none is left out.
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (c *Client) PendingInvoices(ctx context.Context, permit *pace.Permit, offset string) (billing.InvoicePage, error) {
	return call(ctx, permit, operation[billing.InvoicePage]{
		client: c, name: "list", decode: decodePage,
		send: func(ctx context.Context) error {
			limit := int32(maxInvoices)
			_, err := invoiceaction.List(&invoicemodel.ListRequestParams{
				Status: &filter.EnumFilter{Is: invoiceenum.StatusPending},
				SortBy: &filter.SortFilter{Asc: "date"},
				Limit:  &limit,
				Offset: offset,
			}).Contexts(ctx).ListRequestWithEnv(c.environment)
			return err
		},
	})
}

// Time asks for one invoice, and returns the site's time when it answered, cut to the
// second. It is zero if the answer does not say.
func (c *Client) Time(ctx context.Context, permit *pace.Permit) (time.Time, error) {
	return call(ctx, permit, operation[time.Time]{
		client: c, name: "list", decode: decodeTime,
		send: func(ctx context.Context) error {
			limit := int32(1)
			_, err := invoiceaction.List(&invoicemodel.ListRequestParams{Limit: &limit}).Contexts(ctx).ListRequestWithEnv(c.environment)
			return err
		},
	})
}
