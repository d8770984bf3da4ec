package billing

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/truncate"
)

// plain writes a decimal without exponent and without trailing zeros.
func formatDecimal(number decimal.Decimal) string {
	text := number.String()
	if strings.ContainsRune(text, '.') {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// describe puts a line's description together: text, quantity in parentheses,
// marker in brackets. The marker is always whole and last; the text is cut to fit.
func lineDescription(text, quantity, marker string) string {
	end := " [" + marker + "]"
	if quantity != "" {
		end = " (" + quantity + ")" + end
	}
	return Cut(text, MaxDescription-utf16Length(end)) + end
}

// Cut shortens a text to at most the given number of UTF-16 code units, between two
// characters; one that was cut ends with an ellipsis.
func Cut(text string, most int) string {
	if len(text) <= most { // a character has no more code units than bytes
		return text
	}
	const ellipsis = "…"
	units, end := 0, 0 // of what fits before an ellipsis
	for at, character := range text {
		if units <= most-1 {
			end = at
		}
		units += utf16.RuneLen(character)
	}
	switch {
	case units <= most:
		return text
	case most < 1:
		return ""
	default:
		return text[:end] + ellipsis
	}
}

// utf16Length is the number of UTF-16 code units of a text.
func utf16Length(text string) int {
	units := 0
	for _, character := range text {
		units += utf16.RuneLen(character)
	}
	return units
}

// CutBytes shortens a text to at most the given number of bytes, between two characters;
// one that was cut ends with an ellipsis.
func CutBytes(text string, most int) string {
	const ellipsis = "…"
	if len(text) <= most {
		return text
	}
	if most < len(ellipsis) {
		return ""
	}
	return truncate.Bytes(text, most-len(ellipsis)) + ellipsis
}

// EncodedSize is how many bytes a text takes in the JSON that pages and parts of plans
// are kept as, without its quotes: up to six for one character.
// https://pkg.go.dev/encoding/json#Marshal
func EncodedSize(text string) int {
	const escaped = len(`\u0000`)
	size := 0
	for _, character := range text {
		switch {
		case character == '"' || character == '\\':
			size += 2
		case character < ' ', strings.ContainsRune("<>&\u2028\u2029\ufffd", character):
			size += escaped
		default:
			size += utf8.RuneLen(character)
		}
	}
	return size
}
