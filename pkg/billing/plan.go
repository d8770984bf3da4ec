package billing

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// MaxLines is the most lines that one invoice is given: Chargebee's support warns
// that invoices above 800 lines may not be processed.
const MaxLines = 750

// Line is one line of a plan: all that is charged for one charge code of one
// subscription. Whatever is sent to Chargebee for it stands in here, so that a
// call can be repeated with the same bytes.
type Line struct {
	SubscriptionID string
	ChargeCode     string
	Amount         int64  // minor units; a line of 0 is not sent
	Quantity       string // plain decimal; empty when no event carries one
	Events         int    // how many events it sums up
	From, To       int64  // first and last occurred_at, unix seconds
	Description    string // of an ad-hoc line, as sent: text, quantity, marker
	Marker         string // of an ad-hoc line
	IdempotencyKey string

	// What the charge code was at Chargebee when the plan was drawn.
	ItemPriceID string // empty: the line is an ad-hoc one
	Tax         Tax    // of an ad-hoc line
}

// Text is the line's description without its marker; empty for the line of an item price.
func (l Line) Text() string { return strings.TrimSuffix(l.Description, " ["+l.Marker+"]") }

// Plan is all that is charged on one invoice.
type Plan struct {
	Lines []Line
}

// HeadVersion is the version of the head of an invoice with this plan.
func (p Plan) HeadVersion() int {
	for _, line := range p.Lines {
		if line.ItemPriceID != "" || line.Tax != (Tax{}) {
			return CatalogHeadVersion
		}
	}
	return HeadVersion
}

const (
	maxParts   = 10  // of a plan: they are written at once
	lineMargin = 512 // bytes of names, structure and numbers that a line takes in a part
)

// Parts divides the lines so that each part fits one item of the ledger. There is
// at least one, and there are never more than ten.
func (p Plan) Parts() [][]Line {
	parts := [][]Line{nil}
	size := 0
	for _, line := range p.Lines {
		own := lineMargin + EncodedSize(line.SubscriptionID) + EncodedSize(line.ChargeCode) + EncodedSize(line.Description) + len(line.Quantity) +
			EncodedSize(line.ItemPriceID) + line.Tax.size()
		if size+own > MaxPageSize {
			parts, size = append(parts, nil), 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
		size += own
	}
	return parts
}

// Key returns what all events of the line have in common.
func (l Line) Key() LineKey { return LineKey{l.SubscriptionID, l.ChargeCode} }

// LineKey names the line that an event belongs to.
type LineKey struct {
	SubscriptionID string
	ChargeCode     string
}

// Line returns the key of the line that the event belongs to.
func (e Event) Line() LineKey { return LineKey{e.SubscriptionID, e.ChargeCode} }

// Fold sums claimed events up into the lines of a plan. It holds one sum per
// line, whatever the number of events.
type Fold struct {
	manifest Manifest
	sums     map[LineKey]*sum
	faults   faults
	foreign  faults
}

// NewFold returns a fold without events.
func NewFold(manifest Manifest) *Fold {
	return &Fold{manifest: manifest, sums: map[LineKey]*sum{}}
}

type sum struct {
	amount   decimal.Decimal
	quantity *decimal.Decimal
	events   int
	from, to int64

	text       string
	textAt     int64
	textFromID string
}

// Clone returns a fold of the same events that goes its own way.
func (f *Fold) Clone() *Fold {
	clone := &Fold{manifest: f.manifest, sums: make(map[LineKey]*sum, len(f.sums)), faults: f.faults.clone(), foreign: f.foreign.clone()}
	for key, line := range f.sums {
		own := *line
		clone.sums[key] = &own
	}
	return clone
}

// Add takes events into their lines. What cannot be billed is remembered and
// reported by Plan.
func (f *Fold) Add(events ...Event) {
	for _, event := range events {
		f.add(event)
	}
}

func (f *Fold) add(event Event) {
	amount, quantity, fault := numbers(event)
	if fault != "" {
		f.faults.add(event.EventKey, fault)
		return
	}
	if event.CurrencyCode != f.manifest.CurrencyCode {
		f.foreign.add(event.EventKey, fmt.Sprintf("currency_code is %q", event.CurrencyCode))
		return
	}
	line, ok := f.sums[event.Line()]
	if !ok {
		line = &sum{from: event.OccurredAt, to: event.OccurredAt}
		f.sums[event.Line()] = line
	}
	line.add(event, amount, quantity)
}

func numbers(event Event) (amount decimal.Decimal, quantity *decimal.Decimal, fault string) {
	if event.Fault != "" {
		return amount, nil, event.Fault
	}
	if event.ChargeCode == "" {
		return amount, nil, "charge_code is missing"
	}
	amount, err := decimal.NewFromString(event.Amount)
	if err != nil {
		return amount, nil, fmt.Sprintf("amount is not a number: %q", event.Amount)
	}
	if amount.IsNegative() {
		return amount, nil, fmt.Sprintf("amount is negative: %s", event.Amount)
	}
	if event.Quantity == "" {
		return amount, nil, ""
	}
	number, err := decimal.NewFromString(event.Quantity)
	if err != nil {
		return amount, nil, fmt.Sprintf("quantity is not a number: %q", event.Quantity)
	}
	return amount, &number, ""
}

func (s *sum) add(event Event, amount decimal.Decimal, quantity *decimal.Decimal) {
	s.events++
	s.amount = s.amount.Add(amount)
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

// Plan returns the lines, sorted by subscription and charge code, each rounded
// once, half to even, and each what the catalog says that its charge code is.
// maxAmount bounds their total in minor units, 0 does not. A plan that cannot be
// charged is refused with a *Rejection.
func (f *Fold) Plan(maxAmount int64, catalog Catalog) ([]Line, error) {
	if f.faults.count > 0 {
		return nil, &Rejection{InvalidEvent, f.faults.String()}
	}
	if f.foreign.count > 0 {
		return nil, &Rejection{CurrencyMismatch, fmt.Sprintf("the invoice is in %s: %s", f.manifest.CurrencyCode, f.foreign.String())}
	}
	if len(f.sums) > MaxLines {
		return nil, &Rejection{LineLimits, fmt.Sprintf("%d lines, at most %d are possible: use fewer charge codes", len(f.sums), MaxLines)}
	}
	keys := slices.SortedFunc(maps.Keys(f.sums), func(a, b LineKey) int {
		return cmp.Or(strings.Compare(a.SubscriptionID, b.SubscriptionID), strings.Compare(a.ChargeCode, b.ChargeCode))
	})
	lines := make([]Line, len(keys))
	total := decimal.Decimal{}
	for i, key := range keys {
		amount := f.sums[key].amount.RoundBank(0)
		total = total.Add(amount)
		if total.GreaterThan(decimal.NewFromInt(math.MaxInt64)) {
			return nil, &Rejection{LineLimits, fmt.Sprintf("%s of subscription %s: the amount does not fit 64 bits", key.ChargeCode, key.SubscriptionID)}
		}
		lines[i] = f.line(i, key, amount.IntPart(), catalog[key.ChargeCode])
		if utf8.RuneCountInString(lines[i].Description) > MaxDescription {
			return nil, &Rejection{LineLimits, fmt.Sprintf("%s of subscription %s: the quantity does not fit the line", key.ChargeCode, key.SubscriptionID)}
		}
	}
	if parts := len(Plan{lines}.Parts()); parts > maxParts {
		return nil, &Rejection{LineLimits, fmt.Sprintf("the charge codes of %d lines are too long to be kept", len(lines))}
	}
	if maxAmount > 0 && total.GreaterThan(decimal.NewFromInt(maxAmount)) {
		return nil, &Rejection{AboveLimit, fmt.Sprintf("the plan's total is %s, invoice.max_amount is %d", total, maxAmount)}
	}
	return lines, nil
}

func (f *Fold) line(i int, key LineKey, amount int64, product Product) Line {
	sum := f.sums[key]
	id := LineID{InvoiceID: f.manifest.InvoiceID, Epoch: f.manifest.Epoch, Line: i}
	line := Line{
		SubscriptionID: key.SubscriptionID,
		ChargeCode:     key.ChargeCode,
		Amount:         amount,
		Events:         sum.events,
		From:           sum.from,
		To:             sum.to,
		IdempotencyKey: id.IdempotencyKey(),
		ItemPriceID:    product.ItemPriceID,
		Tax:            product.Tax,
	}
	if sum.quantity != nil {
		line.Quantity = plain(*sum.quantity)
	}
	if line.ItemPriceID == "" {
		line.Marker = id.Marker()
		line.Description = describe(cmp.Or(sum.text, key.ChargeCode), line.Quantity, line.Marker)
	}
	return line
}

// plain writes a decimal without exponent and without trailing zeros.
func plain(number decimal.Decimal) string {
	text := number.String()
	if strings.ContainsRune(text, '.') {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// describe puts a line's description together: text, quantity in parentheses,
// marker in brackets. The marker is always whole and last; the text is cut to fit.
func describe(text, quantity, marker string) string {
	end := " [" + marker + "]"
	if quantity != "" {
		end = " (" + quantity + ")" + end
	}
	return Cut(text, MaxDescription-utf8.RuneCountInString(end)) + end
}

// Cut shortens a text to at most the given number of characters (code points); one
// that was cut ends with an ellipsis.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	characters := []rune(text)
	if len(characters) <= most {
		return text
	}
	return string(characters[:max(most-1, 0)]) + "…"
}

// CutBytes shortens a text to at most the given number of bytes, between two characters;
// one that was cut ends with an ellipsis.
func CutBytes(text string, most int) string {
	const ellipsis = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(ellipsis)
	if end < 0 {
		return ""
	}
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
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

// maxNamed is how many events the detail of a rejection names.
const maxNamed = 10

// faults counts events that cannot be billed and names the first of them.
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
