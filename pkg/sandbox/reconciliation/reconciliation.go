// Package reconciliation compares what events are expected to charge with what was charged.
//
// Three sources are compared: the expected charges are computed from the events as they were
// written, the actual charges are the lines of Chargebee's invoices, and the events themselves have
// the invoice that they were billed on. The package shares no code with the product.
package reconciliation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Event is one billable event.
type Event struct {
	SubscriptionID string
	EventID        string
	OccurredAt     int64 // unix seconds
	ChargeCode     string
	Amount         string // exact decimal, minor units

	Status    string // unbilled (or empty), claimed or billed
	InvoiceID string // the draft that claimed it
	FinalID   string // the invoice that billed it
}

// NewEvent returns an event with the attributes of an item of the events table.
func NewEvent(attribute func(name string) string) Event {
	occurredAt, _ := strconv.ParseInt(attribute("occurred_at"), 10, 64)
	return Event{
		SubscriptionID: attribute("subscription_id"),
		EventID:        attribute("event_id"),
		OccurredAt:     occurredAt,
		ChargeCode:     attribute("charge_code"),
		Amount:         attribute("amount"),
		Status:         attribute("status"),
		InvoiceID:      attribute("invoice_id"),
		FinalID:        attribute("final_invoice_id"),
	}
}

// Invoice is one invoice at Chargebee.
type Invoice struct {
	DraftID         string // its id while it was pending
	ID              string // its present id
	Date            int64  // of the draft, unix seconds
	Closed          bool
	SubscriptionIDs []string
	Charges         []Charge // the lines that were added to those of the subscriptions
}

// Charge is one line that was added to an invoice.
type Charge struct {
	SubscriptionID string
	ItemPriceID    string // empty: an ad-hoc line
	Amount         int64  // minor units
}

// NewInvoice returns an invoice of the fake Chargebee.
func NewInvoice(invoice chargebee.Invoice) Invoice {
	converted := Invoice{
		DraftID: cmp.Or(invoice.DraftID, invoice.ID),
		ID:      invoice.ID,
		Date:    invoice.Date,
		Closed:  invoice.Status != chargebee.StatusPending,
	}
	for _, line := range invoice.LineItems {
		if line.EntityType == chargebee.EntityAdhoc || line.EntityType == chargebee.EntityChargeItemPrice {
			converted.Charges = append(converted.Charges, Charge{line.SubscriptionID, line.EntityID, line.Amount})
		}
		if !slices.Contains(converted.SubscriptionIDs, line.SubscriptionID) {
			converted.SubscriptionIDs = append(converted.SubscriptionIDs, line.SubscriptionID)
		}
	}
	return converted
}

// Result is the result of a comparison. Amounts are minor units.
type Result struct {
	Invoices, Closed int
	Charges          int // lines that were added
	Expected         int64
	Actual           int64
	Billed           int64 // sum of the billed events
	EventsBilled     int
	EventsHeld       int // claimed, not billed
	EventsLeft       int // due, and neither billed nor held
	EventsEarly      int // not due on any invoice yet

	Differences []string
}

// Reconciled reports whether there is no difference and no due event was left.
func (r Result) Reconciled() bool { return len(r.Differences) == 0 }

type lineKey struct{ subscription, code string }

// sums are the exact amounts of the lines of one invoice.
type sums map[lineKey]decimal.Decimal

// Compare compares the events with the invoices. Every subscription is expected to have one invoice.
// itemPrices has the item prices of charge codes, which are expected on lines of these item prices.
// Other charge codes are expected on ad-hoc lines.
func Compare(events []Event, invoices []Invoice, itemPrices map[string]string) Result {
	result := Result{Invoices: len(invoices)}
	bySubscription := map[string]*Invoice{}
	for i := range invoices {
		for _, subscription := range invoices[i].SubscriptionIDs {
			bySubscription[subscription] = &invoices[i]
		}
	}
	expected, billed := map[string]sums{}, map[string]sums{}
	for _, event := range events {
		invoice := bySubscription[event.SubscriptionID]
		if invoice == nil || event.OccurredAt >= invoice.Date {
			result.addEarly(event)
			continue
		}
		add(expected, invoice.DraftID, event)
		result.addDue(event, invoice, billed)
	}
	for _, invoice := range invoices {
		result.addInvoice(invoice, expected[invoice.DraftID], billed[invoice.DraftID], itemPrices)
	}
	return result
}

func add(all map[string]sums, draft string, event Event) {
	if all[draft] == nil {
		all[draft] = sums{}
	}
	key := lineKey{event.SubscriptionID, event.ChargeCode}
	all[draft][key] = all[draft][key].Add(decimal.RequireFromString(event.Amount))
}

func (r *Result) addEarly(event Event) {
	r.EventsEarly++
	if event.Status != "" && event.Status != "unbilled" {
		r.differf("event %s/%s is not due on any invoice, and is %s on %s", event.SubscriptionID, event.EventID, event.Status, event.InvoiceID)
	}
}

func (r *Result) addDue(event Event, invoice *Invoice, billed map[string]sums) {
	switch event.Status {
	case "billed":
		r.EventsBilled++
		add(billed, event.InvoiceID, event)
		if event.InvoiceID != invoice.DraftID || event.FinalID != invoice.ID {
			r.differf("event %s/%s is billed on %s as %s, due on %s as %s", event.SubscriptionID, event.EventID, event.InvoiceID, event.FinalID, invoice.DraftID, invoice.ID)
		}
	case "claimed":
		r.EventsHeld++
		r.differf("event %s/%s is claimed for %s and not billed", event.SubscriptionID, event.EventID, event.InvoiceID)
	default:
		r.EventsLeft++
		r.differf("event %s/%s is due on %s and not billed", event.SubscriptionID, event.EventID, invoice.DraftID)
	}
}

// addInvoice compares one invoice line by line.
func (r *Result) addInvoice(invoice Invoice, expected, billed sums, itemPrices map[string]string) {
	if invoice.Closed {
		r.Closed++
	} else {
		r.differf("invoice %s is not closed", invoice.DraftID)
	}
	r.Charges += len(invoice.Charges)
	for _, charge := range invoice.Charges {
		r.Actual += charge.Amount
	}
	var lines []Charge
	for _, key := range keys(expected, billed) {
		amount := round(expected[key])
		r.Expected += amount
		r.Billed += round(billed[key])
		if !expected[key].Equal(billed[key]) {
			r.differf("%s, %s of %s: expected %s, the billed events have %s", invoice.DraftID, key.code, key.subscription, expected[key], billed[key])
		}
		if amount > 0 { // lines of 0 are not sent
			lines = append(lines, Charge{key.subscription, itemPrices[key.code], amount})
		}
	}
	if want, got := format(lines), format(invoice.Charges); want != got {
		r.differf("%s: expected the lines %s, actual %s", invoice.DraftID, want, got)
	}
}

func (r *Result) differf(format string, args ...any) {
	r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
}

// round rounds to minor units, half to even.
func round(amount decimal.Decimal) int64 { return amount.RoundBank(0).IntPart() }

func keys(expected, billed sums) []lineKey {
	all := maps.Clone(expected)
	if all == nil {
		all = sums{}
	}
	maps.Copy(all, billed)
	return slices.SortedFunc(maps.Keys(all), func(a, b lineKey) int {
		return cmp.Or(strings.Compare(a.subscription, b.subscription), strings.Compare(a.code, b.code))
	})
}

func format(charges []Charge) string {
	lines := make([]string, len(charges))
	for i, charge := range charges {
		lines[i] = fmt.Sprintf("%s:%s:%d", charge.SubscriptionID, cmp.Or(charge.ItemPriceID, "ad-hoc"), charge.Amount)
	}
	slices.Sort(lines)
	return "[" + strings.Join(lines, " ") + "]"
}
