package chargebee

import (
	"errors"
	"math/big"
	"time"
)

// priceNames are the names of the parameters that say what is charged, which
// the two product catalogs call differently.
type priceNames struct {
	id, quantity, quantityInDecimal, unitPrice, unitPriceInDecimal, from, to string
}

var (
	itemPriceNames = priceNames{
		id:                 "item_price[item_price_id]",
		quantity:           "item_price[quantity]",
		quantityInDecimal:  "item_price[quantity_in_decimal]",
		unitPrice:          "item_price[unit_price]",
		unitPriceInDecimal: "item_price[unit_price_in_decimal]",
		from:               "item_price[date_from]",
		to:                 "item_price[date_to]",
	}
	addonNames = priceNames{
		id:                 "addon_id",
		quantity:           "addon_quantity",
		quantityInDecimal:  "addon_quantity_in_decimal",
		unitPrice:          "addon_unit_price",
		unitPriceInDecimal: "addon_unit_price_in_decimal",
		from:               "line_item[date_from]",
		to:                 "line_item[date_to]",
	}

	addChargeItemParameters  = append(itemPriceNames.parameters(), tierParameters...)
	addAddonChargeParameters = addonNames.parameters()
)

func (n priceNames) parameters() parameters {
	return parameters{
		{name: n.id, kind: text, required: true, max: 100},
		{name: n.quantity, kind: integer, min: 1, max: 1<<31 - 1},
		{name: n.quantityInDecimal, kind: decimal, max: maxQuantityInDecimal},
		{name: n.unitPrice, kind: integer, max: maxAmount},
		{name: n.unitPriceInDecimal, kind: decimal, max: maxPriceInDecimal},
		timestamp(n.from),
		timestamp(n.to),
		{name: "comment", kind: text, max: 300},
		{name: "subscription_id", kind: text, max: maxID},
	}
}

// addChargeItem is POST /invoices/{id}/add_charge_item.
//
// https://apidocs.chargebee.com/docs/api/invoices
func (s *Service) addChargeItem(call *call, fields fields) (any, error) {
	if s.config.Catalog != Catalog2 {
		return nil, incompatible("The site has product catalog 1, which has no items", "")
	}
	return s.addPriced(call, fields, itemPriceNames)
}

// addAddonCharge is POST /invoices/{id}/add_addon_charge.
//
// https://apidocs.chargebee.com/docs/api/v2/pcv-1/invoices
func (s *Service) addAddonCharge(call *call, fields fields) (any, error) {
	if s.config.Catalog != Catalog1 {
		return nil, incompatible("The site has product catalog 2, which has no addons", "")
	}
	return s.addPriced(call, fields, addonNames)
}

// addPriced puts a line on an invoice whose amount comes from a price and a
// quantity.
func (s *Service) addPriced(call *call, fields fields, names priceNames) (any, error) {
	invoice, err := s.addLine(call, fields, names.from, names.to, func(invoice *Invoice, line *LineItem) error {
		id := fields.text(names.id)
		price, known := s.itemPrices[id]
		if !known {
			return notFound(id, names.id)
		}
		if price.CurrencyCode != invoice.CurrencyCode {
			return wrongValue(names.id, "has another currency than the invoice")
		}
		line.Description = price.Description
		line.EntityType = s.config.Catalog.entities().charge
		line.EntityID = id
		line.PricingModel = price.PricingModel
		if s.config.RoundDates {
			line.roundDates(s.config.RoundDatesOffset)
		}
		quantity, err := s.quantity(price, fields, names)
		if err != nil {
			return err
		}
		return price.charge(line, quantity, fields, names)
	})
	if errors.Is(err, errAmountTooLarge) {
		return nil, wrongValue(names.id, "the total of the invoice is too large")
	}
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.answerPage()), nil
}

// roundDates moves the dates of a line to the start and to the last second of
// their days, in a time zone with an offset from UTC.
func (l *LineItem) roundDates(offset time.Duration) {
	seconds := int64(offset / time.Second)
	startOfDay := func(at int64) int64 {
		local := at + seconds
		return at - (local%secondsPerDay+secondsPerDay)%secondsPerDay
	}
	l.DateFrom = startOfDay(l.DateFrom)
	l.DateTo = startOfDay(l.DateTo) + secondsPerDay - 1
}

// charge sets quantity and amounts of a line: exactly first, then rounded to
// minor units, halves upwards.
func (p ItemPrice) charge(line *LineItem, quantity *big.Rat, fields fields, names priceNames) error {
	pricing, err := p.override(fields, names)
	if err != nil {
		return err
	}
	amount, err := pricing.amount(quantity)
	if err != nil {
		return wrongValue(names.quantity, "no tier holds it")
	}
	// What one unit costs on average, where the price is none of a unit;
	// Chargebee does not document what it shows there.
	unit := new(big.Rat).Quo(amount, quantity)
	if p.PricingModel == FlatFee || p.PricingModel == PerUnit {
		unit = pricing.unit
	}

	whole, err := rounded(quantity)
	if err != nil || int64(int32(whole)) != whole {
		return wrongValue(names.quantityInDecimal, "is too large")
	}
	line.Quantity = int32(whole)
	if line.Amount, err = rounded(amount); err != nil {
		return err
	}
	if line.UnitAmount, err = rounded(unit); err != nil {
		return err
	}
	if fields.has(names.quantityInDecimal) || fields.has(names.unitPriceInDecimal) || p.UnitAmountInDecimal != "" {
		major := func(minor *big.Rat) string { return exact(new(big.Rat).Quo(minor, minorUnits(p.CurrencyCode))) }
		line.QuantityInDecimal, line.AmountInDecimal = exact(quantity), major(amount)
		if unit == pricing.unit { // an average need not have an end
			line.UnitAmountInDecimal = major(unit)
		}
	}
	return nil
}

// quantity returns the number of units that are charged.
func (s *Service) quantity(price ItemPrice, fields fields, names priceNames) (*big.Rat, error) {
	given, inDecimal := fields.has(names.quantity), fields.has(names.quantityInDecimal)
	flatFee := price.PricingModel == FlatFee
	switch {
	case given && inDecimal:
		return nil, wrongValue(names.quantityInDecimal, "cannot be given together with "+names.quantity)
	case flatFee && given && !s.config.IgnoresFlatFeeQuantity:
		return nil, wrongValue(names.quantity, "does not apply to a flat fee")
	case flatFee && inDecimal && !s.config.IgnoresFlatFeeQuantity:
		return nil, wrongValue(names.quantityInDecimal, "does not apply to a flat fee")
	case flatFee:
		return big.NewRat(1, 1), nil
	case !given && !inDecimal && !s.config.QuantityDefaultsToOne:
		return nil, wrongValue(names.quantity, "cannot be blank for "+price.PricingModel)
	case !inDecimal:
		return big.NewRat(fields.integer(names.quantity, 1), 1), nil
	}
	quantity := number(fields.text(names.quantityInDecimal))
	if quantity.Sign() == 0 {
		return nil, wrongValue(names.quantityInDecimal, "should be greater than 0")
	}
	return quantity, nil
}

// override is the pricing, with what the call sets in the place of the item
// price's own.
func (p ItemPrice) override(fields fields, names priceNames) (pricing, error) {
	made := p.pricing()
	tiers, err := readTiers(fields, minorUnits(p.CurrencyCode))
	if err != nil {
		return pricing{}, err
	}
	given, inDecimal := fields.has(names.unitPrice), fields.has(names.unitPriceInDecimal)
	tiered := p.PricingModel != FlatFee && p.PricingModel != PerUnit
	switch {
	case given && inDecimal:
		return pricing{}, wrongValue(names.unitPriceInDecimal, "cannot be given together with "+names.unitPrice)
	case tiered && given:
		return pricing{}, wrongValue(names.unitPrice, "does not apply to "+p.PricingModel)
	case tiered && inDecimal:
		return pricing{}, wrongValue(names.unitPriceInDecimal, "does not apply to "+p.PricingModel)
	case !tiered && len(tiers) > 0:
		return pricing{}, wrongValue("item_tiers", "do not apply to "+p.PricingModel)
	case given:
		made.unit = big.NewRat(fields.integer(names.unitPrice, 0), 1)
	case inDecimal:
		made.unit = number(fields.text(names.unitPriceInDecimal))
		made.unit.Mul(made.unit, minorUnits(p.CurrencyCode))
	case len(tiers) > 0:
		made.tiers = tiers
	}
	return made, nil
}
