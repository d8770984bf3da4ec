package attribute

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// A number has up to 38 significant digits and a magnitude within
// [1e-130, 1e126), or it is zero.
const (
	maxDigits   = 38
	minExponent = -130 // of the first significant digit
	maxExponent = 125
)

// Number is an exact decimal number without trailing zeros in its coefficient.
type Number struct{ decimal.Decimal }

// ParseNumber reads a number as the service does: an optional sign, digits
// with an optional point, an optional exponent.
func ParseNumber(text string) (Number, error) {
	mantissa, exponent := text, 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		var err error
		exponent, err = strconv.Atoi(text[at+1:])
		if err != nil {
			return Number{}, notNumeric(text)
		}
		mantissa = text[:at]
	}
	negative := strings.HasPrefix(mantissa, "-")
	if negative || strings.HasPrefix(mantissa, "+") {
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return Number{}, notNumeric(text)
	}
	significant := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(significant) - len(fraction)
	significant = strings.TrimLeft(significant, "0")
	return newNumber(negative, significant, exponent)
}

func notNumeric(text string) error {
	if text == "" {
		return Invalidf("The parameter cannot be converted to a numeric value")
	}
	return Invalidf("The parameter cannot be converted to a numeric value: %s", text)
}

// newNumber makes ±digits·10^exponent; digits begin and end with one that is
// not zero, or are none for zero.
func newNumber(negative bool, digits string, exponent int) (Number, error) {
	if digits == "" {
		return Number{}, nil
	}
	switch first := len(digits) - 1 + exponent; {
	case len(digits) > maxDigits:
		return Number{}, Invalidf("Attempting to store more than 38 significant digits in a Number")
	case first > maxExponent:
		return Number{}, Invalidf("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case first < minExponent:
		return Number{}, Invalidf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	coefficient, _ := new(big.Int).SetString(digits, 10)
	if negative {
		coefficient.Neg(coefficient)
	}
	return Number{decimal.NewFromBigInt(coefficient, int32(exponent))}, nil // within [-167, 125]
}

// Plus is n + other, refused when it needs more digits than a number has.
func (n Number) Plus(other Number) (Number, error) { return normalised(n.Add(other.Decimal)) }

// Minus is n - other, refused when it needs more digits than a number has.
func (n Number) Minus(other Number) (Number, error) { return normalised(n.Sub(other.Decimal)) }

func normalised(d decimal.Decimal) (Number, error) {
	digits := strings.TrimPrefix(d.Coefficient().String(), "-")
	significant := strings.TrimRight(digits, "0")
	return newNumber(d.IsNegative(), significant, int(d.Exponent())+len(digits)-len(significant))
}

// CompareNumbers orders numbers by magnitude.
func CompareNumbers(a, b Number) int { return a.Cmp(b.Decimal) }

// Size implements Value: a byte for two digits, one more, and one for the sign.
func (n Number) Size() int {
	size := (n.NumDigits()+1)/2 + 1
	if n.IsNegative() {
		size++
	}
	return size
}

// sortable is bytes that sort as the numbers do: the sign, the exponent of the
// first digit, the digits; exponent and digits inverted for negative numbers,
// which end in a byte above all digits so that -12 comes after -123.
func (n Number) sortable() string {
	if n.IsZero() {
		return "1"
	}
	digits := strings.TrimPrefix(n.Coefficient().String(), "-")
	exponent := byte(len(digits) - 1 + int(n.Exponent()) - minExponent) // within [0, 255]
	key := make([]byte, 0, len(digits)+3)
	if !n.IsNegative() {
		return string(append(append(key, '2', exponent), digits...))
	}
	key = append(key, '0', 255-exponent)
	for _, digit := range []byte(digits) {
		key = append(key, '0'+'9'-digit)
	}
	return string(append(key, '~'))
}

// Sortable is bytes that sort, within one type, as the values of a key do:
// strings and binaries by their bytes, numbers by magnitude. It is not ok for
// types that cannot be keys.
func Sortable(value Value) (key string, ok bool) {
	switch value := value.(type) {
	case String:
		return string(value), true
	case Number:
		return value.sortable(), true
	case Binary:
		return string(value), true
	}
	return "", false
}

// Int is a whole number.
func Int(n int64) Number {
	number, _ := normalised(decimal.NewFromInt(n)) // 19 digits always fit
	return number
}
