package chargebee

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	maxID          = 50  // characters
	maxDescription = 250 // characters; see Config.DescriptionInCodePoints
)

var addChargeParameters = parameters{
	{name: "amount", kind: integer, required: true, min: 1, max: maxAmount},
	{name: "description", kind: text, required: true, max: maxDescription},
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

// addCharge returns POST /invoices/{id}/add_charge.
//
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
func (s *Service) addCharge(call *call, fields fields) (any, error) {
	description := fields.text("description")
	if !s.config.DescriptionInCodePoints && len(utf16.Encode([]rune(description))) > maxDescription {
		return nil, wrongValue("description", fmt.Sprintf("should not exceed %d characters", maxDescription))
	}
	invoice, err := s.addLine(call, fields, "line_item[date_from]", "line_item[date_to]", func(_ *Invoice, line *LineItem) error {
		line.Tax = fields.tax()
		if sale := line.Tax.AvalaraSaleType; sale != "" && !slices.Contains(saleTypes, sale) {
			return wrongValue("avalara_sale_type", "should be one of "+strings.Join(saleTypes, ", "))
		}
		line.UnitAmount = fields.integer("amount", 0)
		line.Quantity = 1
		line.Amount = line.UnitAmount
		line.PricingModel = FlatFee
		line.Description = description
		line.EntityType = EntityAdhoc
		return nil
	})
	if errors.Is(err, errAmountTooLarge) {
		return nil, wrongValue("amount", "the total of the invoice is too large")
	}
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.responsePage()), nil
}

// tax returns the parameters for tax providers.
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
	return s.change(call.invoiceID, cause{EventPendingInvoiceUpdated, sourceAPI}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		if s.config.MaxLines > 0 && len(invoice.LineItems) >= s.config.MaxLines {
			return ErrResourceExceeded
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
		if err := s.checkDates(fields, from, to, line); err != nil {
			return err
		}
		if err := fill(invoice, &line); err != nil {
			return err
		}
		invoice.LineItems = append(invoice.LineItems, line)
		return nil
	})
}

// checkDates refuses a line that ends before it starts. A line without given
// dates starts and ends at the date of the invoice.
func (s *Service) checkDates(fields fields, from, to string, line LineItem) error {
	given := fields.has(from) && fields.has(to)
	switch {
	case line.DateTo < line.DateFrom:
		return wrongValue(to, "should not be before "+from)
	case line.DateTo == line.DateFrom && given && !s.config.EqualDates:
		return wrongValue(to, "should be after "+from)
	default:
		return nil
	}
}

// chargedSubscription returns the subscription that a charge is for. The caller
// holds s.mu.
func (s *Service) chargedSubscription(invoice *Invoice, given string) (string, error) {
	consolidated := invoice.SubscriptionID == ""
	switch {
	case given != "":
		return given, s.checkSubscription(invoice, given)
	case consolidated && !s.config.LenientSubscription:
		return "", wrongValue("subscription_id", "cannot be blank for a consolidated invoice")
	default:
		return invoice.SubscriptionID, nil
	}
}

// checkSubscription refuses a subscription_id that the invoice cannot be
// charged for. The caller holds s.mu.
func (s *Service) checkSubscription(invoice *Invoice, id string) error {
	consolidated := invoice.SubscriptionID == ""
	subscription, known := s.subscriptions[id]
	switch {
	case !known:
		return notFound(id, "subscription_id")
	case subscription.CustomerID != invoice.CustomerID:
		return wrongValue("subscription_id", "does not belong to the customer of the invoice")
	case !consolidated && !s.config.AnySubscription:
		return wrongValue("subscription_id", "is applicable for a consolidated invoice only")
	default:
		return nil
	}
}
