package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// otherSubscription has no events and no invoices.
const otherSubscription = "sub0"

// editDraft lets an operator at Chargebee change the subscription of a draft: it becomes
// consolidated, or that of another subscription. A message that was sent before is stale then.
func (w *world) editDraft(as *process, number int) {
	random := w.dice.of("edit", strconv.Itoa(number))
	renewal := w.plan.renewals[number%len(w.plan.renewals)]
	time.Sleep(renewal.after)
	draft := ""
	for deadline := time.Now().Add(2 * time.Second); draft == "" && time.Now().Before(deadline); {
		time.Sleep(between(random, 10*time.Millisecond, 100*time.Millisecond))
		draft = w.books.draftOf(number % len(w.plan.renewals))
	}
	if draft == "" {
		return
	}
	w.awaitMoment(random, draft)
	other := otherSubscription
	if names := w.subscriptions(); coin(random) {
		other = names[random.IntN(len(names))]
	}
	consolidate := coin(random)
	err := w.site.EditInvoice(draft, func(invoice *chargebee.Invoice) {
		w.books.moved(edit{draft, time.Now(), invoice.ResourceVersion + 1, other}) // the version is at least that
		if consolidate {
			makeConsolidated(invoice, other)
		} else {
			invoice.SubscriptionID = other
		}
	})
	w.timeline.notef(as.name, "edits %s: consolidated %t, %s: %v", draft, consolidate, other, err)
}

// makeConsolidated gives the invoice a line of another subscription.
func makeConsolidated(invoice *chargebee.Invoice, other string) {
	own := invoice.SubscriptionID
	invoice.SubscriptionID = ""
	for i := range invoice.LineItems {
		if invoice.LineItems[i].SubscriptionID == "" {
			invoice.LineItems[i].SubscriptionID = own
		}
	}
	if at := slices.IndexFunc(invoice.LineItems, func(line chargebee.LineItem) bool { return !added(line) }); at >= 0 {
		line := invoice.LineItems[at]
		line.ID, line.SubscriptionID = fmt.Sprint(line.ID, len(invoice.LineItems)), other
		invoice.LineItems = append(invoice.LineItems, line)
	}
}

// shift removes the first line of a draft between two pages of a read, once: all other lines
// move up by one.
func (w *world) shift(draft string) {
	invoice, ok := w.site.Invoice(draft)
	if !ok || !w.isPending(draft) || len(invoice.LineItems) < 2 || added(invoice.LineItems[0]) || !w.books.shifts(draft, invoice.LineItems[0].SubscriptionID) {
		return
	}
	err := w.site.RemoveLine(draft, invoice.LineItems[0].ID)
	w.timeline.notef("editor", "removes the first line of %s while it is read: %v", draft, err)
}

func (w *world) subscriptions() []string {
	var names []string
	for name := range w.plan.events {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// awaitMoment waits for the moment of an edit: before the message is handled, when the plan is
// written and nothing is charged, or when a line is charged.
func (w *world) awaitMoment(random *rand.Rand, draft string) {
	var has func() bool
	switch random.IntN(3) {
	case 0:
		return
	case 1:
		has = func() bool { return w.isPlanned(draft) }
	default:
		has = func() bool {
			invoice, ok := w.site.Invoice(draft)
			return !ok || len(charges(invoice)) > 0
		}
	}
	for deadline := time.Now().Add(20 * time.Second); !has() && time.Now().Before(deadline); {
		time.Sleep(between(random, 20*time.Millisecond, 60*time.Millisecond))
	}
}

// isPlanned reports whether the ledger has a plan of the draft.
func (w *world) isPlanned(draft string) bool {
	return word(w.ledgerHead(draft)["state"]) == string(billing.Charging)
}
