package billing

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/truncate"
)

// formatDecimal formats a decimal without exponent and trailing zeros.
func formatDecimal(number decimal.Decimal) string {
	text := number.String()
	if strings.ContainsRune(text, '.') {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// lineDescription returns the description of a line: text, quantity in parentheses, marker in brackets. Only the
// text is cut.
func lineDescription(text, quantity, marker string) string {
	end := " [" + marker + "]"
	if quantity != "" {
		end = " (" + quantity + ")" + end
	}
	return Cut(text, MaxDescription-utf16Length(end)) + end
}

// Cut shortens a text to at most the given number of UTF-16 code units, between two characters. A
// text that was cut ends with an ellipsis if there is room for it.
func Cut(text string, maxUnits int) string {
	if len(text) <= maxUnits { // a character has no more code units than bytes
		return text
	}
	const ellipsis = "…"
	units := 0 // number of code units of the text up to at
	end := 0   // offset in bytes: text[:end] and an ellipsis fit
	for at, character := range text {
		if units <= maxUnits-1 {
			end = at
		}
		units += utf16.RuneLen(character)
	}
	switch {
	case units <= maxUnits:
		return text
	case maxUnits < 1:
		return ""
	default:
		return text[:end] + ellipsis
	}
}

// utf16Length returns the number of UTF-16 code units of a text.
func utf16Length(text string) int {
	units := 0
	for _, character := range text {
		units += utf16.RuneLen(character)
	}
	return units
}

// CutBytes shortens a text to at most the given number of bytes, between two characters. A text that was cut
// ends with an ellipsis if there is room for it.
func CutBytes(text string, maxBytes int) string {
	const ellipsis = "…"
	if len(text) <= maxBytes {
		return text
	}
	if maxBytes < len(ellipsis) {
		return ""
	}
	return truncate.Bytes(text, maxBytes-len(ellipsis)) + ellipsis
}

// EncodedSize returns the maximum size in bytes of a text in the JSON of pages and parts of plans, without its
// quotes. U+FFFD counts as escaped, because the text may have an invalid byte instead, which JSON escapes.
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
