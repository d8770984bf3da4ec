package chargebee

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// The pricing models of item prices and lines.
const (
	FlatFee   = "flat_fee"
	PerUnit   = "per_unit"
	Tiered    = "tiered"
	Volume    = "volume"
	Stairstep = "stairstep"
)

// ItemPrice is the price of one-time charges for an item. Charges at a Tiered, Volume or
// Stairstep price are refused: their tiers are not emulated.
type ItemPrice struct {
	ID           string
	Description  string // of the lines
	CurrencyCode string // defaults to USD
	PricingModel string // defaults to FlatFee
	UnitAmount   int64  // minor units
}

// AddItemPrice adds an item price, or replaces the one with that id.
func (s *Service) AddItemPrice(price ItemPrice) error {
	price.CurrencyCode = cmp.Or(price.CurrencyCode, "USD")
	price.PricingModel = cmp.Or(price.PricingModel, FlatFee)
	switch price.PricingModel {
	case FlatFee, PerUnit, Tiered, Volume, Stairstep:
	default:
		return fmt.Errorf("chargebee: item price %s: unknown pricing model %q", price.ID, price.PricingModel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.itemPrices[price.ID] = price
	return nil
}

// The parameters of an item price in a call.
const (
	paramItemPrice = "item_price[item_price_id]"
	paramQuantity  = "item_price[quantity]"
	paramUnitPrice = "item_price[unit_price]"
	paramItemFrom  = "item_price[date_from]"
	paramItemTo    = "item_price[date_to]"
)

var addChargeItemParameters = parameters{
	{name: paramItemPrice, kind: text, required: true, max: 100},
	{name: paramQuantity, kind: integer, min: 1, max: math.MaxInt32},
	{name: paramUnitPrice, kind: integer, max: maxAmount},
	timestamp(paramItemFrom),
	timestamp(paramItemTo),
	{name: "comment", kind: text, max: 300},
	{name: "subscription_id", kind: text, max: maxID},
}

// addChargeItem returns POST /invoices/{id}/add_charge_item.
//
// https://apidocs.chargebee.com/docs/api/invoices
func (s *Service) addChargeItem(call *call, fields fields) (any, error) {
	if s.config.Catalog != Catalog2 {
		return nil, incompatible("The site has product catalog 1, which has no items", "")
	}
	invoice, err := s.addLine(call, fields, paramItemFrom, paramItemTo, func(invoice *Invoice, line *LineItem) error {
		id := fields.text(paramItemPrice)
		price, known := s.itemPrices[id]
		if !known {
			return notFound(id, paramItemPrice)
		}
		if price.CurrencyCode != invoice.CurrencyCode {
			return wrongValue(paramItemPrice, "has another currency than the invoice")
		}
		line.Description = price.Description
		line.EntityType = EntityChargeItemPrice
		line.EntityID = id
		line.PricingModel = price.PricingModel
		if s.config.RoundDates {
			line.roundDates(s.config.RoundDatesOffset)
		}
		return s.setAmount(line, price, fields)
	})
	if errors.Is(err, errAmountTooLarge) {
		return nil, wrongValue(paramItemPrice, "the total of the invoice is too large")
	}
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.responsePage()), nil
}

// roundDates moves the dates of a line to the start and to the last second of
// their days, in a time zone with an offset from UTC.
func (l *LineItem) roundDates(offset time.Duration) {
	const secondsPerDay = 24 * 60 * 60
	seconds := int64(offset / time.Second)
	startOfDay := func(at int64) int64 {
		local := at + seconds
		return at - (local%secondsPerDay+secondsPerDay)%secondsPerDay
	}
	l.DateFrom = startOfDay(l.DateFrom)
	l.DateTo = startOfDay(l.DateTo) + secondsPerDay - 1
}

// setAmount sets quantity and amounts of a line.
func (s *Service) setAmount(line *LineItem, price ItemPrice, fields fields) error {
	flatFee, given := price.PricingModel == FlatFee, fields.has(paramQuantity)
	switch {
	case !flatFee && price.PricingModel != PerUnit:
		return wrongValue(paramUnitPrice, "does not apply to "+price.PricingModel)
	case flatFee && given && !s.config.IgnoresFlatFeeQuantity:
		return wrongValue(paramQuantity, "does not apply to a flat fee")
	case !flatFee && !given && !s.config.QuantityDefaultsToOne:
		return wrongValue(paramQuantity, "cannot be blank for "+price.PricingModel)
	}
	quantity := int64(1)
	if !flatFee {
		quantity = fields.integer(paramQuantity, 1)
	}
	unit := fields.integer(paramUnitPrice, price.UnitAmount)
	if unit > maxAmount/quantity {
		return errAmountTooLarge
	}
	line.Quantity, line.UnitAmount, line.Amount = int32(quantity), unit, unit*quantity
	return nil
}
