package chargebee

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
)

// ItemPrice is what one-time charges for an item cost. On a site with Catalog1
// it is a non-recurring addon.
type ItemPrice struct {
	ID           string
	Description  string // of the lines
	CurrencyCode string // defaults to USD
	PricingModel string // defaults to FlatFee

	// Of FlatFee and PerUnit.
	UnitAmount          int64  // minor units
	UnitAmountInDecimal string // major units, e.g. 0.00125; counts more

	Tiers []Tier // of Tiered, Volume and Stairstep
}

// Tier is a span of units and its price.
type Tier struct {
	StartingUnit, EndingUnit int64 // both within; EndingUnit 0: no end
	Price                    int64 // minor units: of one unit, or of the Stairstep
}

// AddItemPrice adds an item price, or replaces the one with that id. An error
// says why it is none.
func (s *Service) AddItemPrice(price ItemPrice) error {
	price.CurrencyCode = cmp.Or(price.CurrencyCode, "USD")
	price.PricingModel = cmp.Or(price.PricingModel, FlatFee)
	price.Tiers = slices.Clone(price.Tiers)
	switch price.PricingModel {
	case FlatFee, PerUnit:
		if price.UnitAmountInDecimal != "" && !decimals.MatchString(price.UnitAmountInDecimal) {
			return fmt.Errorf("chargebee: item price %s: %q is no decimal number", price.ID, price.UnitAmountInDecimal)
		}
	case Tiered, Volume, Stairstep:
		if problem := misplaced(price.pricing().tiers); problem != "" {
			return fmt.Errorf("chargebee: item price %s: %s", price.ID, problem)
		}
	default:
		return fmt.Errorf("chargebee: item price %s: unknown pricing model %q", price.ID, price.PricingModel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.itemPrices[price.ID] = price
	return nil
}

// pricing is the item price as a way to price.
func (p ItemPrice) pricing() pricing {
	made := pricing{model: p.PricingModel, unit: big.NewRat(p.UnitAmount, 1)}
	if p.UnitAmountInDecimal != "" {
		made.unit = number(p.UnitAmountInDecimal)
		made.unit.Mul(made.unit, minorUnits(p.CurrencyCode))
	}
	for _, one := range p.Tiers {
		converted := tier{start: big.NewRat(one.StartingUnit, 1), price: big.NewRat(one.Price, 1), pricing: tierPerUnit}
		if one.EndingUnit != 0 {
			converted.end = big.NewRat(one.EndingUnit, 1)
		}
		made.tiers = append(made.tiers, converted)
	}
	return made
}

// misplaced says what is wrong with the order of tiers, or nothing.
func misplaced(tiers []tier) string {
	if len(tiers) == 0 {
		return "should have tiers"
	}
	for i, one := range tiers {
		switch {
		case one.end != nil && one.end.Cmp(one.start) < 0:
			return "a tier should not end before it starts"
		case i == 0:
		case tiers[i-1].end == nil:
			return "only the last tier can have no end"
		case one.start.Cmp(tiers[i-1].end) <= 0:
			return "a tier should start behind the one before"
		}
	}
	return ""
}
