package billing

import (
	"fmt"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// The limits of an event. docs/events.md documents them for producers.
const (
	// MaxEventSize is the maximum size of a stored event in bytes. DynamoDB allows 400 KB for an item, and
	// the consumer adds attributes.
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
	MaxEventSize = 350 << 10

	MaxChargeCode   = 100     // characters
	maxEventText    = 4 << 10 // bytes of a description; a line has at most MaxDescription of it
	maxCurrencyCode = 10      // bytes
	maxNumberLength = 40      // characters of a number without an exponent
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

// parse returns the amount and the quantity (nil if there is none). fault is the reason why the event cannot be
// billed.
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
	case len(formatDecimal(number)) > maxNumberLength:
		return amount, nil, fmt.Sprintf("quantity is %s, at most %d digits are possible", e.Quantity, maxNumberLength)
	default:
		return amount, &number, ""
	}
}

// checkTexts returns the fault that the event has already, or that is in its size or texts; empty for none.
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
