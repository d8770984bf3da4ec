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

// All POSTs turn SetIdempotency off: it adds a header X-CB-Idempotency-Key, which no
// documentation knows, with a new random value each time. The documented header is
// the other one, and if Chargebee ever heeded both, a repeated charge would look new.
// https://apidocs.chargebee.com/docs/api/v1/idempotency

// AddCharge adds one line to a pending invoice and returns the invoice with it. The
// same charge is the same bytes, always.
func (c *Client) AddCharge(ctx context.Context, permit *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error) {
	name, request := "add_charge", adHocCharge
	if charge.ItemPriceID != "" {
		name, request = "add_charge_item", itemCharge
	}
	return call(ctx, permit, operation[billing.Invoice]{
		client:    c,
		name:      name,
		arguments: []argument{{"invoice id", charge.InvoiceID}, {"idempotency key", charge.IdempotencyKey}},
		decode:    decodeInvoice,
		send: func(ctx context.Context) error {
			_, err := request(charge).
				SetIdempotency(false).SetIdempotencyKey(charge.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(c.environment)
			return err
		},
	})
}

// adHocCharge is the request that adds a line without an item price.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
func adHocCharge(charge billing.Charge) chargebee.Request {
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

// itemCharge is the request that adds the line of an item price at the price of the amount.
// Only the pricing models flat_fee and per_unit take a price. Chargebee documents neither
// what a missing quantity means for per_unit, nor whether a flat fee takes one.
// https://apidocs.chargebee.com/docs/api/invoices/add-a-charge-item-to-a-pending-invoice
func itemCharge(charge billing.Charge) chargebee.Request {
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

// Close closes a pending invoice and returns the new invoice that takes its place.
// https://apidocs.chargebee.com/docs/api/invoices/close-a-pending-invoice
func (c *Client) Close(ctx context.Context, permit *ratelimit.Permit, closing billing.Close) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:    c,
		name:      "close",
		arguments: []argument{{"invoice id", closing.InvoiceID}, {"idempotency key", closing.IdempotencyKey}},
		decode:    decodeInvoice,
		send: func(ctx context.Context) error {
			_, err := invoiceaction.Close(closing.InvoiceID, nil).
				SetIdempotency(false).SetIdempotencyKey(closing.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(c.environment)
			return err
		},
	})
}
