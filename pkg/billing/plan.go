package billing

import "strings"

// MaxLines is the maximum number of lines of an invoice, including the lines of the plan.
// Chargebee's support warns that invoices above 800 lines may not be processed.
const MaxLines = 800

// MaxAmount is the maximum amount of a line and of an invoice in minor units, 2^53-1.
// https://www.chargebee.com/docs/2.0/support-for-hvc.html
const MaxAmount = 1<<53 - 1

// Line is one line of a plan: the total of one charge code of one subscription. It is stored with everything that
// is sent to Chargebee for it, so that a call can be repeated with the same bytes.
type Line struct {
	SubscriptionID string `json:"subscription_id"`
	ChargeCode     string `json:"charge_code"`
	Amount         int64  `json:"amount"`             // minor units
	Quantity       string `json:"quantity,omitempty"` // decimal without an exponent; empty if no event has one
	Events         int    `json:"events"`             // number of events
	From           int64  `json:"date_from"`          // first occurred_at, unix seconds
	To             int64  `json:"date_to"`            // last occurred_at; at least From + 1
	Description    string `json:"description"`        // only of an ad-hoc line, as sent: text, quantity, marker
	Marker         string `json:"marker"`             // only of an ad-hoc line
	IdempotencyKey string `json:"idempotency_key"`

	// The Product of the charge code when the plan was made.
	ItemPriceID string `json:"item_price_id,omitempty"` // empty for an ad-hoc line
	PerUnit     bool   `json:"per_unit,omitempty"`      // the pricing model of the item price needs a quantity
	Tax                // only of an ad-hoc line
}

// IsCharge reports whether the line is sent to Chargebee. The events of a line that nets to 0 are
// settled without a call.
func (l Line) IsCharge() bool { return l.Amount > 0 } //mutant:is-charge

// IsCredit reports whether the line nets to less than 0. Chargebee takes no negative charge:
// the line is not sent, and its events are carried forward to the next invoice.
func (l Line) IsCredit() bool { return l.Amount < 0 }

// Text returns the description without the marker: text and quantity. It is empty for a line of an item price.
func (l Line) Text() string { return strings.TrimSuffix(l.Description, " ["+l.Marker+"]") }

// Plan holds the lines of one epoch: charges, lines that net to 0, and credits.
type Plan struct {
	Lines []Line
}

// Total returns the sum of the charges in minor units.
func (p Plan) Total() (total int64) {
	for _, line := range p.Lines {
		if line.IsCharge() {
			total += line.Amount
		}
	}
	return total
}

// CarriedForward returns the number of events on credit lines. They stay unbilled.
func (p Plan) CarriedForward() int {
	events := 0
	for _, line := range p.Lines {
		if line.IsCredit() {
			events += line.Events
		}
	}
	return events
}

const (
	maxParts   = 10  // parts of a plan: all are written in one transaction
	lineMargin = 512 // bytes of an encoded line without the texts that Parts counts
)

// Parts divides the lines so that each part fits one item of the ledger. There is at least one part.
func (p Plan) Parts() [][]Line {
	parts := [][]Line{nil}
	size := 0 // of the last part
	for _, line := range p.Lines {
		lineSize := lineMargin + EncodedSize(line.SubscriptionID) + EncodedSize(line.ChargeCode) + EncodedSize(line.Description) + len(line.Quantity) +
			EncodedSize(line.ItemPriceID) + line.taxSize()
		if size+lineSize > MaxPageSize {
			parts, size = append(parts, nil), 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
		size += lineSize
	}
	return parts
}

// Key returns the key of the line.
func (l Line) Key() LineKey { return LineKey{l.SubscriptionID, l.ChargeCode} }

// LineKey identifies a line of a plan: all its events have the same subscription and charge code.
type LineKey struct {
	SubscriptionID string
	ChargeCode     string
}

// Line returns the key of the line that the event belongs to.
func (e Event) Line() LineKey { return LineKey{e.SubscriptionID, e.ChargeCode} }
