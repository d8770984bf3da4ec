package simulation

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// What a person can do to a draft.
const (
	closeDraft  = "close"
	deleteDraft = "delete"
	editLine    = "edit a line of"
	removeLine  = "remove a line of"
	addLine     = "add a line to"
)

// meddle lets a person do something to an invoice at Chargebee, at some time or, rather,
// while its lines are being added.
func (w *world) meddle(as *process, name string) {
	random := w.dice.of(name)
	time.Sleep(between(random, 0, w.plan.chaos/2))
	if random.IntN(4) > 0 {
		w.lurk(random)
	}
	invoice, ok := w.draft(random)
	if !ok {
		return
	}
	act := w.plan.acts[random.IntN(len(w.plan.acts))]
	ours := charges(invoice)
	var err error
	switch {
	case act == closeDraft:
		_, err = w.site.CloseInvoice(invoice.ID)
	case act == deleteDraft:
		err = w.site.DeleteInvoice(invoice.ID)
	case len(ours) == 0:
		return
	default:
		err = w.change(random, act, invoice.ID, ours[random.IntN(len(ours))])
	}
	w.timeline.notef(as.name, "does %s %s: %v", act, invoice.ID, err)
}

// lurk waits until a line is on a draft, and then a little.
func (w *world) lurk(random *rand.Rand) {
	before := w.standing()
	for w.standing() <= before && !w.calm.Load() {
		time.Sleep(between(random, 100*time.Millisecond, 300*time.Millisecond))
	}
	if random.IntN(2) == 0 {
		time.Sleep(between(random, 0, 5*time.Second))
	}
}

// standing counts the lines that were added to pending invoices.
func (w *world) standing() int {
	lines := 0
	for _, invoice := range w.site.Invoices() {
		if invoice.Status == chargebee.StatusPending {
			lines += len(charges(invoice))
		}
	}
	return lines
}

// charges are the lines that were added to an invoice.
func charges(invoice chargebee.Invoice) []chargebee.LineItem {
	return slices.DeleteFunc(slices.Clone(invoice.LineItems), func(line chargebee.LineItem) bool { return !added(line) })
}

// draft is a pending invoice, the one with the most lines rather than another.
func (w *world) draft(random *rand.Rand) (chargebee.Invoice, bool) {
	pending := slices.DeleteFunc(w.site.Invoices(), func(invoice chargebee.Invoice) bool {
		return invoice.Status != chargebee.StatusPending || invoice.Deleted
	})
	if len(pending) == 0 {
		return chargebee.Invoice{}, false
	}
	if random.IntN(2) == 0 {
		slices.SortStableFunc(pending, func(a, b chargebee.Invoice) int { return len(b.LineItems) - len(a.LineItems) })
		return pending[0], true
	}
	return pending[random.IntN(len(pending))], true
}

// unmark changes a line so that it bears no mark. For the invariant checks its amount stays,
// and its charge code is kept where no answer shows it.
func unmark(line *chargebee.LineItem) {
	line.Tax.TaxJarProductCode = codeOf(*line)
	line.Description = "as agreed"
	if line.EntityType == chargebee.EntityChargeItemPrice {
		line.DateTo += 86400
	}
}

// change does something to one of our lines.
func (w *world) change(random *rand.Rand, act, invoiceID string, line chargebee.LineItem) error {
	switch act {
	case editLine:
		return w.site.EditLine(invoiceID, line.ID, unmark)
	case removeLine:
		return w.site.RemoveLine(invoiceID, line.ID)
	default: // one that looks like ours, but has no mark
		unmark(&line)
		if prices := w.plan.itemPrices(); line.EntityID != "" {
			line.EntityID = prices[random.IntN(len(prices))] // also one whose own line is not there yet
		}
		line.Tax.AvalaraTaxCode = manual
		_, err := w.site.AddLine(invoiceID, line)
		return err
	}
}
