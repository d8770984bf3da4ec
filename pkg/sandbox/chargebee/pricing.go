package chargebee

import (
	"errors"
	"math/big"
)

// The pricing models of item prices and lines.
const (
	FlatFee   = "flat_fee"
	PerUnit   = "per_unit"
	Tiered    = "tiered"
	Volume    = "volume"
	Stairstep = "stairstep"
)

// How the units of one tier are priced.
const (
	tierPerUnit = "per_unit"
	tierFlatFee = "flat_fee"
	tierPackage = "package"
)

// tier is a span of units and its price. Prices are in minor units.
type tier struct {
	start, end  *big.Rat // first and last unit; end nil: no last one
	price       *big.Rat
	pricing     string
	packageSize int64
}

// pricing is how a quantity becomes an amount: exactly, in minor units.
type pricing struct {
	model string
	unit  *big.Rat // of flat_fee and per_unit
	tiers []tier   // of the others, in their order
}

var errNoTier = errors.New("chargebee: no tier holds the quantity")

// amount is what a quantity costs.
func (p pricing) amount(quantity *big.Rat) (*big.Rat, error) {
	switch p.model {
	case FlatFee:
		return p.unit, nil
	case PerUnit:
		return new(big.Rat).Mul(p.unit, quantity), nil
	case Tiered:
		return p.graduated(quantity)
	}
	for _, tier := range p.tiers {
		if !tier.holds(quantity) {
			continue
		}
		if p.model == Stairstep {
			return tier.price, nil
		}
		return tier.amount(quantity), nil
	}
	return nil, errNoTier
}

// graduated prices each unit by the tier that it falls in.
func (p pricing) graduated(quantity *big.Rat) (*big.Rat, error) {
	total := new(big.Rat)
	below := new(big.Rat) // units of the tiers before
	for _, tier := range p.tiers {
		last := tier.holds(quantity)
		upTo := quantity
		if !last {
			upTo = tier.end
		}
		total.Add(total, tier.amount(new(big.Rat).Sub(upTo, below)))
		if last {
			return total, nil
		}
		below = tier.end
	}
	return nil, errNoTier
}

// holds tells whether a quantity ends in the tier, if it ended in none before.
func (t tier) holds(quantity *big.Rat) bool { return t.end == nil || quantity.Cmp(t.end) <= 0 }

// amount is what a number of units costs in the tier.
func (t tier) amount(units *big.Rat) *big.Rat {
	switch t.pricing {
	case tierFlatFee:
		return t.price
	case tierPackage:
		packages := new(big.Rat).Quo(units, big.NewRat(t.packageSize, 1))
		return new(big.Rat).Mul(t.price, new(big.Rat).SetInt(roundUp(packages)))
	default:
		return new(big.Rat).Mul(t.price, units)
	}
}

func roundUp(x *big.Rat) *big.Int {
	whole, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return whole
}

// rounded is a number that is not negative as an integer, halves upwards.
func rounded(x *big.Rat) (int64, error) {
	half := new(big.Rat).Add(x, big.NewRat(1, 2))
	whole := new(big.Int).Quo(half.Num(), half.Denom())
	if !whole.IsInt64() || !isAmount(whole.Int64()) {
		return 0, errAmountTooLarge
	}
	return whole.Int64(), nil
}

// exact is a number with a finite number of decimals as text.
func exact(x *big.Rat) string {
	decimals, _ := x.FloatPrec()
	return x.FloatString(decimals)
}

// number reads what is known to be a decimal.
func number(text string) *big.Rat {
	read, _ := new(big.Rat).SetString(text)
	return read
}

// minorUnits returns the number of minor units in a major unit of a currency:
// 1 or 100. Chargebee multiplies currencies with three decimal places by 100,
// too.
//
// https://apidocs.chargebee.com/docs/api/currencies
func minorUnits(currency string) *big.Rat {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return big.NewRat(1, 1)
	default:
		return big.NewRat(100, 1)
	}
}
