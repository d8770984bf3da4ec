package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// Aggregator sums events into the lines of a plan. Its size depends on the number of lines, not of events.
type Aggregator struct {
	manifest      Manifest
	sums          map[LineKey]*sum
	invalid       faults // events with a fault
	otherCurrency faults // events in another currency than the invoice
}

// NewAggregator returns an aggregator without events.
func NewAggregator(manifest Manifest) *Aggregator {
	return &Aggregator{manifest: manifest, sums: map[LineKey]*sum{}}
}

// sum is the sum of the events of one line.
type sum struct {
	amount   decimal.Decimal
	quantity *decimal.Decimal // nil if no event has one
	events   int
	from, to int64 // first and last occurred_at

	text       string // description of the latest event that has one
	textAt     int64  // occurred_at of that event
	textFromID string // id of that event

	largest       decimal.Decimal // largest amount of an event, without its sign
	largestFromID string
}

// Clone returns an independent copy.
func (a *Aggregator) Clone() *Aggregator {
	clone := NewAggregator(a.manifest)
	clone.invalid, clone.otherCurrency = a.invalid.clone(), a.otherCurrency.clone()
	for key, line := range a.sums {
		clone.sums[key] = new(*line)
	}
	return clone
}

// Add adds events to their lines. Events that cannot be billed make Plan return an error.
func (a *Aggregator) Add(events ...Event) {
	for _, event := range events {
		a.add(event)
	}
}

func (a *Aggregator) add(event Event) {
	amount, quantity, fault := event.parse()
	if fault != "" {
		a.invalid.add(event.EventKey, fault)
		return
	}
	if event.CurrencyCode != a.manifest.CurrencyCode {
		a.otherCurrency.add(event.EventKey, fmt.Sprintf("currency_code is %q", event.CurrencyCode))
		return
	}
	line, ok := a.sums[event.Line()]
	if !ok {
		line = &sum{from: event.OccurredAt, to: event.OccurredAt}
		a.sums[event.Line()] = line
	}
	line.add(event, amount, quantity)
}

func (s *sum) add(event Event, amount decimal.Decimal, quantity *decimal.Decimal) {
	s.events++
	s.amount = s.amount.Add(amount)
	if amount.Abs().GreaterThan(s.largest) {
		s.largest, s.largestFromID = amount.Abs(), event.EventID
	}
	if quantity != nil {
		if s.quantity == nil {
			s.quantity = &decimal.Decimal{}
		}
		s.quantity = new(s.quantity.Add(*quantity))
	}
	s.from = min(s.from, event.OccurredAt)
	s.to = max(s.to, event.OccurredAt)
	if event.Description == "" {
		return
	}
	isLater := cmp.Or(cmp.Compare(event.OccurredAt, s.textAt), cmp.Compare(event.EventID, s.textFromID)) > 0
	if s.text == "" || isLater {
		s.text, s.textAt, s.textFromID = event.Description, event.OccurredAt, event.EventID
	}
}

// Plan returns the lines, sorted by subscription and charge code. It rounds each sum once, half to even. The
// catalog has the products of the lines. maxAmount is the maximum total of the charges in minor units; 0 is no
// limit. The error is a *Rejection.
func (a *Aggregator) Plan(maxAmount int64, catalog Catalog) ([]Line, error) {
	if a.invalid.count > 0 {
		return nil, &Rejection{InvalidEvent, a.invalid.String()}
	}
	if a.otherCurrency.count > 0 {
		return nil, &Rejection{CurrencyMismatch, fmt.Sprintf("the invoice is in %s: %s", a.manifest.CurrencyCode, a.otherCurrency.String())}
	}
	if before := len(a.manifest.Originals); len(a.sums) > 0 && before+len(a.sums) > MaxLines {
		return nil, &Rejection{LineLimits, fmt.Sprintf("%d lines on an invoice that has %d, at most %d are possible together: use fewer charge codes", len(a.sums), before, MaxLines)}
	}
	keys := slices.SortedFunc(maps.Keys(a.sums), func(x, y LineKey) int {
		return cmp.Or(strings.Compare(x.SubscriptionID, y.SubscriptionID), strings.Compare(x.ChargeCode, y.ChargeCode))
	})
	lines := make([]Line, len(keys))
	chargeTotal := decimal.Decimal{}
	for i, key := range keys {
		amount := a.sums[key].amount.RoundBank(0)
		if amount.Abs().GreaterThan(largestAmount) {
			return nil, &Rejection{LineLimits, fmt.Sprintf("%s of subscription %s: the amount is %s, at most %s is possible: %s",
				key.ChargeCode, key.SubscriptionID, a.money(amount), a.money(largestAmount), a.largestEvent(key))}
		}
		lines[i] = a.line(i, key, amount.IntPart(), catalog[key.ChargeCode])
		if lines[i].IsCharge() {
			chargeTotal = chargeTotal.Add(amount)
		}
	}
	if err := a.checkTotal(chargeTotal, maxAmount, keys); err != nil {
		return nil, err
	}
	if parts := len(Plan{lines}.Parts()); parts > maxParts {
		return nil, &Rejection{LineLimits, fmt.Sprintf("the texts of %d lines are too long for the ledger", len(lines))}
	}
	return lines, nil
}

// checkTotal rejects the lines with the keys if the total of their charges exceeds maxAmount, or makes the invoice
// too large.
func (a *Aggregator) checkTotal(chargeTotal decimal.Decimal, maxAmount int64, keys []LineKey) error {
	invoiceTotal := chargeTotal
	for _, line := range a.manifest.Originals {
		invoiceTotal = invoiceTotal.Add(decimal.NewFromInt(line.Amount))
	}
	switch {
	case chargeTotal.IsPositive() && invoiceTotal.GreaterThan(largestAmount):
		return &Rejection{LineLimits, fmt.Sprintf("the invoice would amount to %s, at most %s is possible: %s", a.money(invoiceTotal), a.money(largestAmount), a.largestEvent(keys...))}
	case maxAmount > 0 && chargeTotal.GreaterThan(decimal.NewFromInt(maxAmount)):
		return &Rejection{AboveLimit, fmt.Sprintf("the charges amount to %s, invoice.max_amount is %d (%s): %s",
			a.money(chargeTotal), maxAmount, FormatAmount(maxAmount, a.manifest.CurrencyCode), a.largestEvent(keys...))}
	default:
		return nil
	}
}

// largestEvent describes the event with the largest amount on the lines: its amount is probably wrong.
func (a *Aggregator) largestEvent(keys ...LineKey) string {
	key := slices.MaxFunc(keys, func(x, y LineKey) int { return a.sums[x].largest.Cmp(a.sums[y].largest) })
	sum := a.sums[key]
	return fmt.Sprintf("the largest event is %s (%s)", EventKey{key.SubscriptionID, sum.largestFromID}, a.money(sum.largest))
}

func (a *Aggregator) money(minor decimal.Decimal) string {
	return formatAmount(minor, a.manifest.CurrencyCode)
}

// line returns the i-th line of the plan.
func (a *Aggregator) line(i int, key LineKey, amount int64, product Product) Line {
	sum := a.sums[key]
	id := LineID{InvoiceID: a.manifest.InvoiceID, Epoch: a.manifest.Epoch, Line: i}
	line := Line{
		SubscriptionID: key.SubscriptionID,
		ChargeCode:     key.ChargeCode,
		Amount:         amount,
		Events:         sum.events,
		From:           sum.from,
		//mutant:line-end
		To:             max(sum.to, sum.from+1), // Chargebee does not document whether From and To may be equal
		IdempotencyKey: id.IdempotencyKey(),
		ItemPriceID:    product.ItemPriceID,
		PerUnit:        product.PerUnit,
		Tax:            product.Tax,
	}
	if sum.quantity != nil {
		line.Quantity = formatDecimal(*sum.quantity)
	}
	if line.ItemPriceID == "" {
		line.Marker = id.Marker()
		line.Description = lineDescription(cmp.Or(sum.text, key.ChargeCode), line.Quantity, line.Marker)
	}
	return line
}

// maxNamed is the maximum number of events that the detail of a rejection names.
const maxNamed = 10

// faults counts events that cannot be billed, and describes the first maxNamed of them.
type faults struct {
	count int
	named []string
}

func (f *faults) add(key EventKey, fault string) {
	f.count++
	if len(f.named) < maxNamed {
		f.named = append(f.named, key.String()+": "+fault)
	}
}

func (f faults) clone() faults { return faults{f.count, slices.Clone(f.named)} }

func (f *faults) String() string {
	text := strings.Join(f.named, "; ")
	if f.count > len(f.named) {
		text += fmt.Sprintf("; and %d more", f.count-len(f.named))
	}
	return text
}
