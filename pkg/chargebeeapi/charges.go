package chargebeeapi

import (
	"context"

	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	invoicemodel "github.com/chargebee/chargebee-go/v3/models/invoice"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
)

// Both POSTs turn SetIdempotency off: it adds a header X-CB-Idempotency-Key, which no
// documentation knows, with a new random value each time. The documented header is
// the other one, and if Chargebee ever heeded both, a repeated charge would look new.
// https://apidocs.chargebee.com/docs/api/v1/idempotency

// AddCharge adds one line to a pending invoice and returns the invoice with it. The
// same charge is the same bytes, always.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
func (c *Client) AddCharge(ctx context.Context, permit *pace.Permit, charge billing.Charge) (billing.Invoice, error) {
	return call(ctx, permit, operation[billing.Invoice]{
		client:    c,
		name:      "add_charge",
		arguments: []argument{{"invoice id", charge.InvoiceID}, {"idempotency key", charge.IdempotencyKey}},
		decode:    decodeInvoice,
		send: func(ctx context.Context) error {
			params := &invoicemodel.AddChargeRequestParams{
				Amount:         &charge.Amount,
				Description:    charge.Description,
				LineItem:       &invoicemodel.AddChargeLineItemParams{DateFrom: &charge.From, DateTo: &charge.To},
				SubscriptionId: charge.SubscriptionID,
			}
			_, err := invoiceaction.AddCharge(charge.InvoiceID, params).
				SetIdempotency(false).SetIdempotencyKey(charge.IdempotencyKey).
				Contexts(ctx).RequestWithEnv(c.environment)
			return err
		},
	})
}

// Close closes a pending invoice and returns the new invoice that takes its place.
// https://apidocs.chargebee.com/docs/api/invoices/close-a-pending-invoice
func (c *Client) Close(ctx context.Context, permit *pace.Permit, closing billing.Close) (billing.Invoice, error) {
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
