package chargebee

import (
	"errors"
	"slices"
	"strings"
)

// maxID is how long an id may be, in characters.
const maxID = 50

var addChargeParameters = parameters{
	{name: "amount", kind: integer, required: true, min: 1, max: 1<<63 - 1},
	{name: "description", kind: text, required: true, max: 250},
	{name: "avalara_sale_type", kind: text, max: 50},
	{name: "avalara_transaction_type", kind: integer, max: 1<<31 - 1},
	{name: "avalara_service_type", kind: integer, max: 1<<31 - 1},
	{name: "avalara_tax_code", kind: text, max: 50},
	{name: "hsn_code", kind: text, max: 50},
	{name: "taxjar_product_code", kind: text, max: 50},
	timestamp("line_item[date_from]"),
	timestamp("line_item[date_to]"),
	{name: "comment", kind: text, max: 300},
	{name: "subscription_id", kind: text, max: maxID},
}

// saleTypes are what avalara_sale_type may be.
var saleTypes = []string{"wholesale", "retail", "consumed", "vendor_use"}

// addCharge is POST /invoices/{id}/add_charge.
//
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
func (s *Service) addCharge(call *call, fields fields) (any, error) {
	invoice, err := s.addLine(call, fields, "line_item[date_from]", "line_item[date_to]", func(_ *Invoice, line *LineItem) error {
		line.Tax = fields.tax()
		if sale := line.Tax.AvalaraSaleType; sale != "" && !slices.Contains(saleTypes, sale) {
			return wrongValue("avalara_sale_type", "should be one of "+strings.Join(saleTypes, ", "))
		}
		line.UnitAmount = fields.integer("amount", 0)
		line.Quantity = 1
		line.Amount = line.UnitAmount
		line.PricingModel = FlatFee
		line.Description = fields.text("description")
		line.EntityType = EntityAdhoc
		return nil
	})
	if errors.Is(err, errAmountTooLarge) {
		return nil, wrongValue("amount", "the total of the invoice is too large")
	}
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.answerPage()), nil
}

// tax is what the fields tell tax providers.
func (f fields) tax() Tax {
	return Tax{
		TaxJarProductCode:      f.text("taxjar_product_code"),
		HSNCode:                f.text("hsn_code"),
		AvalaraSaleType:        f.text("avalara_sale_type"),
		AvalaraTransactionType: f.text("avalara_transaction_type"),
		AvalaraServiceType:     f.text("avalara_service_type"),
		AvalaraTaxCode:         f.text("avalara_tax_code"),
	}
}

// addLine puts a line on a pending invoice: what all charges have in common,
// and what fill sets. from and to are the names of the parameters with the
// line's dates.
func (s *Service) addLine(call *call, fields fields, from, to string, fill func(*Invoice, *LineItem) error) (Invoice, error) {
	return s.change(call.invoiceID, call.causing(EventPendingInvoiceUpdated), func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		subscriptionID, err := s.chargedSubscription(invoice, fields.text("subscription_id"))
		if err != nil {
			return err
		}
		line := LineItem{
			ID:              s.newID("li_"),
			SubscriptionID:  subscriptionID,
			DateFrom:        fields.integer(from, invoice.Date),
			DateTo:          fields.integer(to, invoice.Date),
			CustomerID:      invoice.CustomerID,
			TaxExemptReason: "tax_not_configured",
			Object:          "line_item",
		}
		if line.DateTo < line.DateFrom {
			return wrongValue(to, "should not be before "+from)
		}
		if err := fill(invoice, &line); err != nil {
			return err
		}
		invoice.LineItems = append(invoice.LineItems, line)
		return nil
	})
}

// chargedSubscription is the subscription that a charge is for. An invoice of
// one subscription implies it; on a consolidated one it must be given. The
// caller holds s.mu.
func (s *Service) chargedSubscription(invoice *Invoice, given string) (string, error) {
	if given == "" {
		if invoice.SubscriptionID == "" {
			return "", wrongValue("subscription_id", "cannot be blank for a consolidated invoice")
		}
		return invoice.SubscriptionID, nil
	}
	subscription, ok := s.subscriptions[given]
	if !ok {
		return "", notFound(given, "subscription_id")
	}
	if subscription.CustomerID != invoice.CustomerID {
		return "", wrongValue("subscription_id", "does not belong to the customer of the invoice")
	}
	return given, nil
}
