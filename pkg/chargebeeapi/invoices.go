package chargebeeapi

import (
	"cmp"
	"context"
	"time"

	"github.com/chargebee/chargebee-go/v3"
	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/filter"
	invoicemodel "github.com/chargebee/chargebee-go/v3/models/invoice"
	invoiceenum "github.com/chargebee/chargebee-go/v3/models/invoice/enum"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// Invoice returns an invoice with a page of its lines. The request for the first page has no
// parameters for pages: a site without Chargebee's Enterprise-scale Invoicing may refuse them.
// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
func (c *Client) Invoice(ctx context.Context, permit *ratelimit.Permit, page billing.LinePage) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:   c,
		name:     "retrieve",
		required: []argument{{"invoice id", page.InvoiceID}},
		decode:   decodeInvoice,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			// The SDK has no field for the offset. AddParams would panic if the parameters were nil.
			request := invoiceaction.Retrieve(page.InvoiceID, &invoicemodel.RetrieveRequestParams{})
			if page.Offset != "" {
				request = request.AddParams("line_items_offset", page.Offset)
			}
			_, err := request.Contexts(ctx).RequestWithEnv(environment)
			return err
		},
	})
}

// ListInvoices returns a page of a list of invoices. The invoices of a customer, a subscription or the site
// are ordered by their last change: an invoice that changes between two pages is listed again, and none is
// left out. Pending invoices are ordered by date, which does not change while charges are added.
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (c *Client) ListInvoices(ctx context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error) {
	limit := int32(min(cmp.Or(query.Limit, billing.MaxListed), billing.MaxListed))
	params := &invoicemodel.ListRequestParams{Limit: &limit, Offset: query.Offset}
	if query.IncludeDeleted {
		params.IncludeDeleted = &query.IncludeDeleted
	}
	var required []argument
	switch {
	case query.Pending:
		params.Status = &filter.EnumFilter{Is: invoiceenum.StatusPending}
		params.SortBy = &filter.SortFilter{Asc: "date"}
	case query.InvoiceID != "":
		params.Id = &filter.StringFilter{Is: query.InvoiceID}
	case query.SubscriptionID != "":
		params.SubscriptionId = &filter.StringFilter{Is: query.SubscriptionID}
		params.SortBy = &filter.SortFilter{Asc: "updated_at"}
	default:
		allCustomers := query.CustomerID == "" && query.UpdatedAfter != 0
		if !allCustomers {
			required = []argument{{"customer id", query.CustomerID}}
			params.CustomerId = &filter.StringFilter{Is: query.CustomerID}
		}
		params.UpdatedAt = &filter.TimestampFilter{After: query.UpdatedAfter}
		params.SortBy = &filter.SortFilter{Asc: "updated_at"}
	}
	return call(ctx, permit, operation[billing.InvoicePage]{
		client:   c,
		name:     "list",
		required: required,
		decode:   decodePage,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			_, err := invoiceaction.List(params).Contexts(ctx).ListRequestWithEnv(environment)
			return err
		},
	})
}

// Time lists one invoice and returns the time of the response by the clock of the site, in whole
// seconds. It is zero if the response has no valid date.
func (c *Client) Time(ctx context.Context, permit *ratelimit.Permit) (time.Time, error) {
	return call(ctx, permit, operation[time.Time]{
		client: c, name: "list", decode: decodeTime,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			limit := int32(1)
			_, err := invoiceaction.List(&invoicemodel.ListRequestParams{Limit: &limit}).Contexts(ctx).ListRequestWithEnv(environment)
			return err
		},
	})
}
