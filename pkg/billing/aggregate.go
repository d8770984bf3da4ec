package billing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// Aggregator sums claimed events into the lines of a plan. Its size depends on the number of lines,
// not of events.
type Aggregator struct {
	manifest      Manifest
	sums          map[LineKey]*sum
	faults        faults
	otherCurrency faults
}

// NewAggregator returns an aggregator without events.
func NewAggregator(manifest Manifest) *Aggregator {
	return &Aggregator{manifest: manifest, sums: map[LineKey]*sum{}}
}

type sum struct {
	amount   decimal.Decimal
	quantity *decimal.Decimal
	events   int
	from, to int64

	text       string
	textAt     int64
	textFromID string

	largest       decimal.Decimal // amount of one event, without its sign
	largestFromID string
}

// Clone returns an independent copy.
func (f *Aggregator) Clone() *Aggregator {
	clone := &Aggregator{manifest: f.manifest, sums: make(map[LineKey]*sum, len(f.sums)), faults: f.faults.clone(), otherCurrency: f.otherCurrency.clone()}
	for key, line := range f.sums {
		own := *line
		clone.sums[key] = &own
	}
	return clone
}

// Add adds events to their lines. Plan reports the events that cannot be billed.
func (f *Aggregator) Add(events ...Event) {
	for _, event := range events {
		f.add(event)
	}
}

func (f *Aggregator) add(event Event) {
	amount, quantity, fault := event.parse()
	if fault != "" {
		f.faults.add(event.EventKey, fault)
		return
	}
	if event.CurrencyCode != f.manifest.CurrencyCode {
		f.otherCurrency.add(event.EventKey, fmt.Sprintf("currency_code is %q", event.CurrencyCode))
		return
	}
	line, ok := f.sums[event.Line()]
	if !ok {
		line = &sum{from: event.OccurredAt, to: event.OccurredAt}
		f.sums[event.Line()] = line
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
		total := s.quantity.Add(*quantity)
		s.quantity = &total
	}
	s.from = min(s.from, event.OccurredAt)
	s.to = max(s.to, event.OccurredAt)
	if event.Description == "" {
		return
	}
	if s.text == "" || cmp.Or(cmp.Compare(event.OccurredAt, s.textAt), cmp.Compare(event.EventID, s.textFromID)) > 0 {
		s.text, s.textAt, s.textFromID = event.Description, event.OccurredAt, event.EventID
	}
}

// Plan returns the lines, sorted by subscription and charge code. Each amount is rounded once, half to
// even, and each line has the product that the catalog has for its charge code. maxAmount is the
// maximum total charge in minor units; 0 is no limit. The error is a *Rejection.
func (f *Aggregator) Plan(maxAmount int64, catalog Catalog) ([]Line, error) {
	if f.faults.count > 0 {
		return nil, &Rejection{InvalidEvent, f.faults.String()}
	}
	if f.otherCurrency.count > 0 {
		return nil, &Rejection{CurrencyMismatch, fmt.Sprintf("the invoice is in %s: %s", f.manifest.CurrencyCode, f.otherCurrency.String())}
	}
	if before := len(f.manifest.Originals); len(f.sums) > 0 && before+len(f.sums) > MaxLines {
		return nil, &Rejection{LineLimits, fmt.Sprintf("%d lines on an invoice that has %d, at most %d are possible together: use fewer charge codes", len(f.sums), before, MaxLines)}
	}
	keys := slices.SortedFunc(maps.Keys(f.sums), func(a, b LineKey) int {
		return cmp.Or(strings.Compare(a.SubscriptionID, b.SubscriptionID), strings.Compare(a.ChargeCode, b.ChargeCode))
	})
	lines := make([]Line, len(keys))
	charges := decimal.Decimal{}
	for i, key := range keys {
		amount := f.sums[key].amount.RoundBank(0)
		if amount.Abs().GreaterThan(largestAmount) {
			return nil, &Rejection{LineLimits, fmt.Sprintf("%s of subscription %s: the amount is %s, at most %s is possible: %s",
				key.ChargeCode, key.SubscriptionID, f.money(amount), f.money(largestAmount), f.largestEvent(key))}
		}
		lines[i] = f.line(i, key, amount.IntPart(), catalog[key.ChargeCode])
		if lines[i].IsCharge() {
			charges = charges.Add(amount)
		}
	}
	if err := f.checkTotal(charges, maxAmount, keys); err != nil {
		return nil, err
	}
	if parts := len(Plan{lines}.Parts()); parts > maxParts {
		return nil, &Rejection{LineLimits, fmt.Sprintf("the texts of %d lines are too long for the ledger", len(lines))}
	}
	return lines, nil
}

// checkTotal rejects charges that make the invoice too large, or exceed maxAmount.
func (f *Aggregator) checkTotal(charges decimal.Decimal, maxAmount int64, keys []LineKey) error {
	total := charges
	for _, line := range f.manifest.Originals {
		total = total.Add(decimal.NewFromInt(line.Amount))
	}
	switch {
	case charges.IsPositive() && total.GreaterThan(largestAmount):
		return &Rejection{LineLimits, fmt.Sprintf("the invoice would amount to %s, at most %s is possible: %s", f.money(total), f.money(largestAmount), f.largestEvent(keys...))}
	case maxAmount > 0 && charges.GreaterThan(decimal.NewFromInt(maxAmount)):
		return &Rejection{AboveLimit, fmt.Sprintf("the charges amount to %s, invoice.max_amount is %d (%s): %s",
			f.money(charges), maxAmount, FormatAmount(maxAmount, f.manifest.CurrencyCode), f.largestEvent(keys...))}
	default:
		return nil
	}
}

// largestEvent names the event with the largest amount of the lines: a wrong one, most likely.
func (f *Aggregator) largestEvent(keys ...LineKey) string {
	largest := slices.MaxFunc(keys, func(a, b LineKey) int { return f.sums[a].largest.Cmp(f.sums[b].largest) })
	sum := f.sums[largest]
	return fmt.Sprintf("the largest event is %s (%s)", EventKey{largest.SubscriptionID, sum.largestFromID}, f.money(sum.largest))
}

func (f *Aggregator) money(minor decimal.Decimal) string {
	return formatAmount(minor, f.manifest.CurrencyCode)
}

func (f *Aggregator) line(i int, key LineKey, amount int64, product Product) Line {
	sum := f.sums[key]
	id := LineID{InvoiceID: f.manifest.InvoiceID, Epoch: f.manifest.Epoch, Line: i}
	line := Line{
		SubscriptionID: key.SubscriptionID,
		ChargeCode:     key.ChargeCode,
		Amount:         amount,
		Events:         sum.events,
		From:           sum.from,
		//mutant:line-end
		To:             max(sum.to, sum.from+1), // Chargebee does not document whether the two may be equal
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

// faults counts events that cannot be billed, and names the first of them.
type faults struct {
	count int
	named []string
}

func (f *faults) add(key EventKey, problem string) {
	f.count++
	if len(f.named) < maxNamed {
		f.named = append(f.named, key.String()+": "+problem)
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
