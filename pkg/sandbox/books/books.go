// Package books compares what was owed with what was billed.
//
// Three books are kept apart: owed is computed from the events as they were
// written, billed is read from Chargebee's invoices, and the ledger is what the
// events themselves say they were billed on. The package knows nothing of how they
// came about: it shares no code with what it checks.
package books

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// Event is one billable event, as it was written and as it was found at the end.
type Event struct {
	SubscriptionID string
	EventID        string
	OccurredAt     int64 // unix seconds
	ChargeCode     string
	Amount         string // exact decimal, minor units

	Status    string // unbilled (or empty), claimed, billed
	InvoiceID string // the draft that claimed it
	FinalID   string // the invoice that billed it
}

// Invoice is one invoice at Chargebee.
type Invoice struct {
	DraftID         string // its id while it was pending
	ID              string // its id now; that of the draft when it is still pending
	Date            int64  // of the draft, unix seconds
	Closed          bool
	SubscriptionIDs []string
	Charges         []Charge // the lines that are not the plan's own
}

// Charge is one line that was added to an invoice.
type Charge struct {
	SubscriptionID string
	ItemPriceID    string // empty: an ad-hoc line
	Amount         int64  // minor units
}

// Account is the comparison of the three books.
type Account struct {
	Invoices, Closed int
	Charges          int   // lines that were added
	Owed             int64 // minor units
	Billed           int64
	Ledger           int64
	EventsBilled     int
	EventsHeld       int // claimed, not billed
	EventsLeft       int // due, and neither billed nor held
	EventsEarly      int // not due on any invoice yet

	Differences []string // what does not agree, for a person
}

// Equal tells whether the books agree and nothing that is due was left.
func (a Account) Equal() bool { return len(a.Differences) == 0 }

type lineKey struct{ subscription, code string }

// sums are exact amounts by line of one invoice.
type sums map[lineKey]decimal.Decimal

// Compare makes up the account. Every subscription is expected to have one invoice.
// itemPrices are the item prices of charge codes: what these owe has to stand on lines
// of theirs, and everything else on ad-hoc lines.
func Compare(events []Event, invoices []Invoice, itemPrices map[string]string) Account {
	account := Account{Invoices: len(invoices)}
	bySubscription := map[string]*Invoice{}
	for i := range invoices {
		for _, subscription := range invoices[i].SubscriptionIDs {
			bySubscription[subscription] = &invoices[i]
		}
	}
	owed, ledger := map[string]sums{}, map[string]sums{}
	for _, event := range events {
		invoice := bySubscription[event.SubscriptionID]
		if invoice == nil || event.OccurredAt >= invoice.Date {
			account.early(event)
			continue
		}
		add(owed, invoice.DraftID, event)
		account.due(event, invoice, ledger)
	}
	for _, invoice := range invoices {
		account.invoice(invoice, owed[invoice.DraftID], ledger[invoice.DraftID], itemPrices)
	}
	return account
}

func add(book map[string]sums, draft string, event Event) {
	if book[draft] == nil {
		book[draft] = sums{}
	}
	key := lineKey{event.SubscriptionID, event.ChargeCode}
	book[draft][key] = book[draft][key].Add(decimal.RequireFromString(event.Amount))
}

func (a *Account) early(event Event) {
	a.EventsEarly++
	if event.Status != "" && event.Status != "unbilled" {
		a.differf("event %s/%s is not due on any invoice, and is %s on %s", event.SubscriptionID, event.EventID, event.Status, event.InvoiceID)
	}
}

func (a *Account) due(event Event, invoice *Invoice, ledger map[string]sums) {
	switch event.Status {
	case "billed":
		a.EventsBilled++
		add(ledger, event.InvoiceID, event)
		if event.InvoiceID != invoice.DraftID || event.FinalID != invoice.ID {
			a.differf("event %s/%s is billed on %s as %s, due on %s as %s", event.SubscriptionID, event.EventID, event.InvoiceID, event.FinalID, invoice.DraftID, invoice.ID)
		}
	case "claimed":
		a.EventsHeld++
		a.differf("event %s/%s is claimed for %s and not billed", event.SubscriptionID, event.EventID, event.InvoiceID)
	default:
		a.EventsLeft++
		a.differf("event %s/%s is due on %s and not billed", event.SubscriptionID, event.EventID, invoice.DraftID)
	}
}

// invoice compares one invoice line by line.
func (a *Account) invoice(invoice Invoice, owed, ledger sums, itemPrices map[string]string) {
	if invoice.Closed {
		a.Closed++
	} else {
		a.differf("invoice %s is not closed", invoice.DraftID)
	}
	a.Charges += len(invoice.Charges)
	for _, charge := range invoice.Charges {
		a.Billed += charge.Amount
	}
	for _, key := range keys(owed, ledger) {
		owes, says := round(owed[key]), round(ledger[key])
		a.Owed += owes
		a.Ledger += says
		if !owed[key].Equal(ledger[key]) {
			a.differf("%s, %s of %s: owed are %s, the ledger says %s", invoice.DraftID, key.code, key.subscription, owed[key], ledger[key])
		}
	}
	if want, got := expected(owed, itemPrices), listed(invoice.Charges); want != got {
		a.differf("%s: owed are the lines %s, billed are %s", invoice.DraftID, want, got)
	}
}

func (a *Account) differf(format string, args ...any) {
	a.Differences = append(a.Differences, fmt.Sprintf(format, args...))
}

// round makes minor units of an exact amount: half to even.
func round(amount decimal.Decimal) int64 { return amount.RoundBank(0).IntPart() }

func keys(books ...sums) []lineKey {
	all := map[lineKey]bool{}
	for _, book := range books {
		for key := range book {
			all[key] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b lineKey) int {
		return cmp.Or(strings.Compare(a.subscription, b.subscription), strings.Compare(a.code, b.code))
	})
}

// expected writes the lines that an invoice should have. Lines of 0 are not sent.
func expected(owed sums, itemPrices map[string]string) string {
	var charges []Charge
	for key, amount := range owed {
		if amount := round(amount); amount > 0 {
			charges = append(charges, Charge{key.subscription, itemPrices[key.code], amount})
		}
	}
	return listed(charges)
}

func listed(charges []Charge) string {
	lines := make([]string, len(charges))
	for i, charge := range charges {
		lines[i] = fmt.Sprintf("%s:%s:%d", charge.SubscriptionID, cmp.Or(charge.ItemPriceID, "ad-hoc"), charge.Amount)
	}
	slices.Sort(lines)
	return "[" + strings.Join(lines, " ") + "]"
}
