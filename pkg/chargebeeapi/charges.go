package chargebeeapi

import (
	"context"

	"github.com/chargebee/chargebee-go/v3"
	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/enum"
	invoicemodel "github.com/chargebee/chargebee-go/v3/models/invoice"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// All POSTs call SetIdempotency(false). The SDK's actions call SetIdempotency(true), which adds an
// undocumented header X-CB-Idempotency-Key with a new random value to each request. If Chargebee respected
// this header, it would execute a repeated call twice. SetIdempotencyKey sets the documented header.
// https://apidocs.chargebee.com/docs/api/v1/idempotency

// AddCharge adds one line to a pending invoice and returns the changed invoice. The bodies of requests for
// equal charges are equal, as idempotency requires.
func (c *Client) AddCharge(ctx context.Context, permit *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error) {
	name, newRequest := "add_charge", adHocRequest
	if charge.ItemPriceID != "" {
		name, newRequest = "add_charge_item", itemRequest
	}
	return call(ctx, permit, operation[billing.Invoice]{
		client:   c,
		name:     name,
		required: []argument{{"invoice id", charge.InvoiceID}, {"idempotency key", charge.IdempotencyKey}},
		decode:   decodeInvoice,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			_, err := newRequest(charge).
				SetIdempotency(false).SetIdempotencyKey(charge.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(environment)
			return err
		},
	})
}

// adHocRequest returns the request to add a line without an item price.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
func adHocRequest(charge billing.Charge) chargebee.Request {
	return invoiceaction.AddCharge(charge.InvoiceID, &invoicemodel.AddChargeRequestParams{
		Amount:                 &charge.Amount,
		Description:            charge.Description,
		AvalaraSaleType:        enum.AvalaraSaleType(charge.Tax.AvalaraSaleType),
		AvalaraTransactionType: charge.Tax.AvalaraTransactionType,
		AvalaraServiceType:     charge.Tax.AvalaraServiceType,
		AvalaraTaxCode:         charge.Tax.AvalaraTaxCode,
		HsnCode:                charge.Tax.HSNCode,
		TaxjarProductCode:      charge.Tax.TaxJarProductCode,
		LineItem:               &invoicemodel.AddChargeLineItemParams{DateFrom: &charge.From, DateTo: &charge.To},
		SubscriptionId:         charge.SubscriptionID,
	})
}

// itemRequest returns the request to add a line of an item price, with the amount as unit price.
// Chargebee accepts a unit price only for the pricing models flat_fee and per_unit. It does not
// document whether per_unit requires a quantity and flat_fee accepts one.
// https://apidocs.chargebee.com/docs/api/invoices/add-a-charge-item-to-a-pending-invoice
func itemRequest(charge billing.Charge) chargebee.Request {
	var quantity *int32
	if charge.Quantity > 0 {
		quantity = &charge.Quantity
	}
	return invoiceaction.AddChargeItem(charge.InvoiceID, &invoicemodel.AddChargeItemRequestParams{
		ItemPrice: &invoicemodel.AddChargeItemItemPriceParams{
			ItemPriceId: charge.ItemPriceID,
			Quantity:    quantity,
			UnitPrice:   &charge.Amount,
			DateFrom:    &charge.From,
			DateTo:      &charge.To,
		},
		SubscriptionId: charge.SubscriptionID,
	})
}

// Close closes a pending invoice and returns the final invoice that replaces it.
// https://apidocs.chargebee.com/docs/api/invoices/close-a-pending-invoice
func (c *Client) Close(ctx context.Context, permit *ratelimit.Permit, req billing.Close) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:   c,
		name:     "close",
		required: []argument{{"invoice id", req.InvoiceID}, {"idempotency key", req.IdempotencyKey}},
		decode:   decodeInvoice,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			_, err := invoiceaction.Close(req.InvoiceID, nil).
				SetIdempotency(false).SetIdempotencyKey(req.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(environment)
			return err
		},
	})
}
