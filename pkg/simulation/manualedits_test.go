package simulation_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Kinds of manual edits.
const (
	closeDraft  = "close"
	deleteDraft = "delete"
	editLine    = "edit a line of"
	removeLine  = "remove a line of"
	addLine     = "add a line to"
)

// editInvoice edits an invoice in Chargebee's user interface, most times while its lines are added.
func (e *env) editInvoice(as *process, name string) {
	random := e.rng.rand(name)
	time.Sleep(between(random, 0, e.scenario.chaos/2))
	if random.IntN(4) > 0 {
		e.awaitLine(random)
	}
	invoice, ok := e.choosePending(random)
	if !ok {
		return
	}
	kind := e.scenario.editKinds[random.IntN(len(e.scenario.editKinds))]
	ours := addedLines(invoice)
	var err error
	switch {
	case kind == closeDraft:
		_, err = e.site.CloseInvoice(invoice.ID)
	case kind == deleteDraft:
		err = e.site.DeleteInvoice(invoice.ID)
	case len(ours) == 0:
		return
	default:
		err = e.editLine(random, kind, invoice.ID, ours[random.IntN(len(ours))])
	}
	e.timeline.logf(as.name, "%s %s: %v", kind, invoice.ID, err)
}

// awaitLine waits until a line is added to a draft, and at times a little longer.
func (e *env) awaitLine(random *rand.Rand) {
	before := e.countAddedLines()
	for e.countAddedLines() <= before && !e.faultsOff.Load() {
		time.Sleep(between(random, 100*time.Millisecond, 300*time.Millisecond))
	}
	if coin(random) {
		time.Sleep(between(random, 0, 5*time.Second))
	}
}

// countAddedLines returns the number of lines that were added to pending invoices.
func (e *env) countAddedLines() (lines int) {
	for _, invoice := range e.site.Invoices() {
		if invoice.Status == chargebee.StatusPending {
			lines += len(addedLines(invoice))
		}
	}
	return lines
}

func addedLines(invoice chargebee.Invoice) []chargebee.LineItem {
	return slices.DeleteFunc(slices.Clone(invoice.LineItems), func(line chargebee.LineItem) bool { return !isAdded(line) })
}

// choosePending draws a pending invoice: the one with the most lines, or any.
func (e *env) choosePending(random *rand.Rand) (chargebee.Invoice, bool) {
	pending := slices.DeleteFunc(e.site.Invoices(), func(invoice chargebee.Invoice) bool { return !isPending(invoice) })
	if len(pending) == 0 {
		return chargebee.Invoice{}, false
	}
	if coin(random) {
		return slices.MaxFunc(pending, func(a, b chargebee.Invoice) int { return len(a.LineItems) - len(b.LineItems) }), true
	}
	return pending[random.IntN(len(pending))], true
}

// removeMarker changes a line so that it has no marker. The invariant checks need its amount, and
// its charge code in a field that no answer has.
func removeMarker(line *chargebee.LineItem) {
	line.Tax.TaxJarProductCode = codeOf(*line)
	line.Description = "as agreed"
	if line.EntityType == chargebee.EntityChargeItemPrice {
		line.DateTo += 86400
	}
}

// editLine edits one of our lines, or adds a similar one without a marker.
func (e *env) editLine(random *rand.Rand, kind, invoiceID string, line chargebee.LineItem) error {
	switch kind {
	case editLine:
		return e.site.EditLine(invoiceID, line.ID, removeMarker)
	case removeLine:
		return e.site.RemoveLine(invoiceID, line.ID)
	default:
		removeMarker(&line)
		if prices := e.scenario.itemPrices(); line.EntityID != "" {
			line.EntityID = prices[random.IntN(len(prices))] // its own line may not be there yet
		}
		line.Tax.AvalaraTaxCode = manualMark
		_, err := e.site.AddLine(invoiceID, line)
		return err
	}
}

// otherSubscription has no events and no invoices.
const otherSubscription = "sub0"

// editSubscription changes the subscription of a draft: it becomes consolidated, or that of another
// subscription. The message of the draft is stale then.
func (e *env) editSubscription(as *process, number int) {
	random := e.rng.rand("edit", strconv.Itoa(number))
	number %= len(e.scenario.renewals)
	time.Sleep(e.scenario.renewals[number].after)
	var created invoiceRecord
	for deadline := time.Now().Add(2 * time.Second); created.draft == "" && time.Now().Before(deadline); {
		time.Sleep(between(random, 10*time.Millisecond, 100*time.Millisecond))
		created, _ = e.recorder.invoice(func(record invoiceRecord) bool { return record.renewal == number })
	}
	draft := created.draft
	if draft == "" {
		return
	}
	e.awaitEditTime(random, draft)
	other := otherSubscription
	if names := slices.Sorted(maps.Keys(e.scenario.events)); coin(random) {
		other = names[random.IntN(len(names))]
	}
	consolidate := coin(random)
	err := e.site.EditInvoice(draft, func(invoice *chargebee.Invoice) {
		e.recorder.recordEdit(subscriptionEdit{draft, time.Now(), invoice.ResourceVersion + 1, other}) // the version is at least that
		if consolidate {
			makeConsolidated(invoice, other)
		} else {
			invoice.SubscriptionID = other
		}
	})
	e.timeline.logf(as.name, "edits %s: consolidated %t, %s: %v", draft, consolidate, other, err)
}

// makeConsolidated adds a line of another subscription to the invoice.
func makeConsolidated(invoice *chargebee.Invoice, other string) {
	own := invoice.SubscriptionID
	invoice.SubscriptionID = ""
	for i := range invoice.LineItems {
		if invoice.LineItems[i].SubscriptionID == "" {
			invoice.LineItems[i].SubscriptionID = own
		}
	}
	if at := slices.IndexFunc(invoice.LineItems, func(line chargebee.LineItem) bool { return !isAdded(line) }); at >= 0 {
		line := invoice.LineItems[at]
		line.ID, line.SubscriptionID = fmt.Sprint(line.ID, len(invoice.LineItems)), other
		invoice.LineItems = append(invoice.LineItems, line)
	}
}

// awaitEditTime waits for the time of an edit: before the message is processed, when the plan is
// written and nothing is charged, or when a line is charged.
func (e *env) awaitEditTime(random *rand.Rand, draft string) {
	var reached func() bool
	switch random.IntN(3) {
	case 0:
		return
	case 1:
		reached = func() bool { return stringOf(e.ledgerRecord(draft)["state"]) == string(billing.Charging) }
	default:
		reached = func() bool {
			invoice, ok := e.site.Invoice(draft)
			return !ok || len(addedLines(invoice)) > 0
		}
	}
	for deadline := time.Now().Add(20 * time.Second); !reached() && time.Now().Before(deadline); {
		time.Sleep(between(random, 20*time.Millisecond, 60*time.Millisecond))
	}
}

// removeFirstLine removes the first line of a draft between two pages of a read, once. All other
// lines move up by one.
func (e *env) removeFirstLine(draft string) {
	invoice, ok := e.site.Invoice(draft)
	if !ok || !isPending(invoice) || len(invoice.LineItems) < 2 || isAdded(invoice.LineItems[0]) || !e.recorder.recordRemoval(draft, invoice.LineItems[0].SubscriptionID) {
		return
	}
	err := e.site.RemoveLine(draft, invoice.LineItems[0].ID)
	e.timeline.logf("manual edit", "removes the first line of %s while it is read: %v", draft, err)
}
