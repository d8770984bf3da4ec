package attribute

import (
	"strings"

	"github.com/shopspring/decimal"
)

// A number has up to 38 significant digits and a magnitude within [1e-130, 1e126), or it is
// zero.
const (
	maxDigits    = 38
	minMagnitude = -130 // exponent of the first significant digit
	maxMagnitude = 125
)

// Number is an exact decimal number.
type Number struct{ decimal.Decimal }

// ParseNumber parses a number: an optional sign, digits with an optional point, an optional
// exponent.
func ParseNumber(text string) (Number, error) {
	parsed, err := decimal.NewFromString(text)
	if err != nil {
		return Number{}, Invalidf("The parameter cannot be converted to a numeric value: %s", text)
	}
	return newNumber(parsed)
}

// newNumber refuses what does not fit into a number.
func newNumber(d decimal.Decimal) (Number, error) {
	if d.IsZero() {
		return Number{}, nil
	}
	number := Number{d}
	switch digits, magnitude := number.significant(); {
	case len(digits) > maxDigits:
		return Number{}, Invalidf("Attempting to store more than 38 significant digits in a Number")
	case magnitude > maxMagnitude:
		return Number{}, Invalidf("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case magnitude < minMagnitude:
		return Number{}, Invalidf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return number, nil
}

// significant returns the digits without trailing zeros, and the exponent of the first.
func (n Number) significant() (digits string, magnitude int) {
	digits = strings.TrimPrefix(n.Coefficient().String(), "-")
	return strings.TrimRight(digits, "0"), len(digits) - 1 + int(n.Exponent())
}

// Plus returns n + other, refused when it needs more digits than a number has.
func (n Number) Plus(other Number) (Number, error) { return newNumber(n.Add(other.Decimal)) }

// Minus returns n - other, refused when it needs more digits than a number has.
func (n Number) Minus(other Number) (Number, error) { return newNumber(n.Sub(other.Decimal)) }

// Sortable returns bytes that sort, within one type, as the values of a key do: strings by
// their bytes, numbers by magnitude. ok is false for types that cannot be keys.
//
// The bytes of a number are its sign, the exponent of the first digit and the digits;
// exponent and digits are inverted for negative numbers, which end in a byte above all
// digits so that -12 comes after -123.
func Sortable(value Value) (key string, ok bool) {
	switch value := value.(type) {
	case String:
		return string(value), true
	case Number:
		digits, magnitude := value.significant()
		exponent := byte(magnitude - minMagnitude)
		switch value.Sign() {
		case 0:
			return "1", true
		case 1:
			return string(append([]byte{'2', exponent}, digits...)), true
		}
		inverted := []byte{'0', 255 - exponent}
		for _, digit := range []byte(digits) {
			inverted = append(inverted, '0'+'9'-digit)
		}
		return string(append(inverted, '~')), true
	}
	return "", false
}

// Int returns a whole number.
func Int(n int64) Number { return Number{decimal.NewFromInt(n)} }
