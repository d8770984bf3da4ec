package billing

import (
	"fmt"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// The limits of an event. docs/events.md documents them for producers.
const (
	// MaxEventSize is the maximum size of a stored event in bytes. An item takes 400 KB, and the
	// consumer adds attributes to it.
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
	MaxEventSize = 350 << 10

	MaxChargeCode   = 100     // characters
	maxEventText    = 4 << 10 // bytes of a description; MaxDescription of it are sent
	maxCurrencyCode = 10      // bytes
	maxQuantity     = 40      // digits of a quantity without an exponent
)

var largestAmount = decimal.NewFromInt(MaxAmount)

// Validated returns the event. If it cannot be billed, the result has a Fault and no values.
func (e Event) Validated() Event {
	_, _, fault := e.parse()
	if fault == "" {
		return e
	}
	return Event{EventKey: e.EventKey, OccurredAt: e.OccurredAt, Fault: fault, Size: e.Size}
}

// parse returns the amount and the quantity (nil if there is none), or why the event cannot be billed.
func (e Event) parse() (amount decimal.Decimal, quantity *decimal.Decimal, fault string) {
	if fault := e.checkTexts(); fault != "" {
		return amount, nil, fault
	}
	amount, err := decimal.NewFromString(e.Amount)
	switch {
	case err != nil:
		return amount, nil, fmt.Sprintf("amount is not a number: %q", e.Amount)
	case amount.Abs().GreaterThan(largestAmount):
		return amount, nil, fmt.Sprintf("amount is %s, at most %d is possible", e.Amount, MaxAmount)
	case e.Quantity == "":
		return amount, nil, ""
	}
	number, err := decimal.NewFromString(e.Quantity)
	switch {
	case err != nil:
		return amount, nil, fmt.Sprintf("quantity is not a number: %q", e.Quantity)
	case len(formatDecimal(number)) > maxQuantity:
		return amount, nil, fmt.Sprintf("quantity is %s, at most %d digits are possible", e.Quantity, maxQuantity)
	default:
		return amount, &number, ""
	}
}

// checkTexts returns what is wrong with the size and the texts of the event.
func (e Event) checkTexts() string {
	switch characters := utf8.RuneCountInString(e.ChargeCode); {
	case e.Fault != "":
		return e.Fault
	case e.Size > MaxEventSize:
		return fmt.Sprintf("the item has %d bytes, at most %d are possible: shorten its attributes", e.Size, MaxEventSize)
	case e.ChargeCode == "":
		return "charge_code is missing"
	case characters > MaxChargeCode:
		return fmt.Sprintf("charge_code has %d characters, at most %d are possible", characters, MaxChargeCode)
	case len(e.Description) > maxEventText:
		return fmt.Sprintf("description has %d bytes, at most %d are possible", len(e.Description), maxEventText)
	case len(e.CurrencyCode) > maxCurrencyCode:
		return fmt.Sprintf("currency_code has %d bytes and is not a currency code", len(e.CurrencyCode))
	default:
		return ""
	}
}
