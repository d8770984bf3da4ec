package simulation

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// charge is what one billable event is written with.
type charge struct{ code, amount string }

// maxEventAmount bounds the amount of one event. The events of all subscriptions on one
// invoice together stay far below what an invoice can have.
const maxEventAmount = 1 << 40

// chargeOf draws the charge of the event with this number, from 1 on, of a subscription.
//
// Amounts are random and so large that no two sets of events have the same sum. Now and then
// an amount has a fraction so small that all fractions together round to nothing. With
// credits, a subscription has negative events: any of them, or exact negatives of the event
// before, which make lines of 0.
func (w *world) chargeOf(subscription string, number int) charge {
	id := eventID(subscription, number)
	random := w.dice.of("amount", id)
	amount := strconv.FormatInt(1+random.Int64N(maxEventAmount), 10)
	if random.IntN(4) == 0 {
		amount += ".004"
	}
	if random.IntN(20) == 0 {
		amount = "0"
	}
	drawn := charge{fmt.Sprintf("code%d", 1+w.dice.of("code", id).IntN(w.plan.codes)), amount}
	if !w.plan.credits {
		return drawn
	}
	switch kind := w.dice.of("credits", subscription).IntN(3); {
	case kind == 1 && random.IntN(3) == 0:
		drawn.amount = negative(drawn.amount)
	case kind == 2 && number%2 == 0 && coin(random):
		drawn = w.chargeOf(subscription, number-1)
		drawn.amount = negative(drawn.amount)
	}
	return drawn
}

// newAmount draws the amount of an event that is written once more.
func (w *world) newAmount(id string) string {
	return strconv.FormatInt(1+w.dice.of("new amount", id).Int64N(maxEventAmount), 10)
}

func negative(amount string) string {
	if amount == "0" {
		return amount
	}
	return "-" + amount
}

func eventID(subscription string, number int) string {
	return fmt.Sprintf("%s.%03d", subscription, number)
}

// added reports whether a line was added to the lines of the subscription's plan.
func added(line chargebee.LineItem) bool {
	return line.EntityType == chargebee.EntityAdhoc || line.EntityType == chargebee.EntityChargeItemPrice
}

// manual marks lines that were added by hand. It is in a field that no answer shows: the
// marks outlast the close, even with new line ids.
const manual = "manual"

func isManual(line chargebee.LineItem) bool { return line.Tax.AvalaraTaxCode == manual }

// isCharge reports whether the product added a line.
func isCharge(line chargebee.LineItem) bool { return added(line) && !isManual(line) }

// codeOf returns the charge code of a line that the product added.
func codeOf(line chargebee.LineItem) string {
	switch {
	case line.Tax.TaxJarProductCode != "": // it was edited
		return line.Tax.TaxJarProductCode
	case line.EntityID != "":
		return strings.TrimSuffix(line.EntityID, itemPriceSuffix)
	default:
		code, _, _ := strings.Cut(line.Description, " ")
		return code
	}
}

// itemPriceSuffix follows the charge code in the id of its item price.
const itemPriceSuffix = "-EUR"
