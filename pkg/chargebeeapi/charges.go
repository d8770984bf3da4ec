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
// undocumented header X-CB-Idempotency-Key with a new random value to each request: if Chargebee
// respected it, a repeated charge would be a new one. SetIdempotencyKey sets the documented header.
// https://apidocs.chargebee.com/docs/api/v1/idempotency

// AddCharge adds one line to a pending invoice and returns the invoice with it. Equal charges
// are sent as equal bytes.
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

// itemRequest returns the request to add the line of an item price, with the amount as its price.
// Only the pricing models flat_fee and per_unit accept a price. Chargebee documents neither the
// meaning of a missing quantity for per_unit, nor whether flat_fee accepts one.
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
func (c *Client) Close(ctx context.Context, permit *ratelimit.Permit, order billing.Close) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:   c,
		name:     "close",
		required: []argument{{"invoice id", order.InvoiceID}, {"idempotency key", order.IdempotencyKey}},
		decode:   decodeInvoice,
		send: func(ctx context.Context, environment chargebee.Environment) error {
			_, err := invoiceaction.Close(order.InvoiceID, nil).
				SetIdempotency(false).SetIdempotencyKey(order.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(environment)
			return err
		},
	})
}
