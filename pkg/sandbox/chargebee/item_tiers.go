package chargebee

import (
	"fmt"
	"math/big"
)

// The longest decimals, in characters: more than enough for the 20 decimal
// places of multi-decimal pricing.
const (
	maxQuantityInDecimal = 33
	maxPriceInDecimal    = 39
)

var tierParameters = parameters{
	{name: "item_tiers[starting_unit]", kind: integer, max: 1<<31 - 1, indexed: true},
	{name: "item_tiers[ending_unit]", kind: integer, max: 1<<31 - 1, indexed: true},
	{name: "item_tiers[price]", kind: integer, max: maxAmount, indexed: true},
	{name: "item_tiers[starting_unit_in_decimal]", kind: decimal, max: maxQuantityInDecimal, indexed: true},
	{name: "item_tiers[ending_unit_in_decimal]", kind: decimal, max: maxQuantityInDecimal, indexed: true},
	{name: "item_tiers[price_in_decimal]", kind: decimal, max: maxPriceInDecimal, indexed: true},
	{name: "item_tiers[pricing_type]", kind: text, max: 20, indexed: true},
	{name: "item_tiers[package_size]", kind: integer, min: 1, max: 1<<31 - 1, indexed: true},
}

// readTiers are the tiers that a call brings along; none if it brings none.
func readTiers(fields fields, minorUnits *big.Rat) ([]tier, error) {
	last := -1
	for _, parameter := range tierParameters {
		last = max(last, fields.lastIndex(parameter.name))
	}
	if last < 0 {
		return nil, nil
	}
	if last >= maxTiers {
		return nil, wrongValue("item_tiers", fmt.Sprintf("should be at most %d", maxTiers))
	}
	tiers := make([]tier, last+1)
	for i := range tiers {
		made := &tiers[i]
		var err error
		if made.start, err = tierNumber(fields, "starting_unit", i); err != nil {
			return nil, err
		}
		if made.end, err = tierNumber(fields, "ending_unit", i); err != nil {
			return nil, err
		}
		if made.price, err = tierNumber(fields, "price", i); err != nil {
			return nil, err
		}
		switch {
		case made.start == nil:
			return nil, wrongValue(tierName("starting_unit", i), "cannot be blank")
		case made.price == nil:
			return nil, wrongValue(tierName("price", i), "cannot be blank")
		case fields.has(tierName("price_in_decimal", i)):
			made.price.Mul(made.price, minorUnits)
		}
		made.packageSize = fields.integer(tierName("package_size", i), 0)
		switch made.pricing = fields.text(tierName("pricing_type", i)); made.pricing {
		case "", tierPerUnit, tierFlatFee:
		case tierPackage:
			if made.packageSize == 0 {
				return nil, wrongValue(tierName("package_size", i), "cannot be blank")
			}
		default:
			return nil, wrongValue(tierName("pricing_type", i), "should be per_unit, flat_fee or package")
		}
	}
	if problem := misplaced(tiers); problem != "" {
		return nil, wrongValue("item_tiers", problem)
	}
	return tiers, nil
}

// maxTiers bounds the work that a call can cause.
const maxTiers = 100

func tierName(field string, i int) string { return fmt.Sprintf("item_tiers[%s][%d]", field, i) }

// tierNumber reads a field that is either an integer or a decimal; nil: neither.
func tierNumber(fields fields, field string, i int) (*big.Rat, error) {
	whole, fraction := tierName(field, i), tierName(field+"_in_decimal", i)
	switch {
	case fields.has(whole) && fields.has(fraction):
		return nil, wrongValue(fraction, "cannot be given together with "+whole)
	case fields.has(whole):
		return big.NewRat(fields.integer(whole, 0), 1), nil
	case fields.has(fraction):
		return number(fields.text(fraction)), nil
	default:
		return nil, nil
	}
}
