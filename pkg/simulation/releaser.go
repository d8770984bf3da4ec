package simulation

import (
	"context"
	"slices"
	"strings"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// releaseAll tries once to give the events of each rejected invoice back, as an operator does
// who follows what the refusals say: our lines are taken off some drafts, and now and then it is
// asserted what was not charged. It tells how many invoices still hold events.
func (w *world) releaseAll(ctx context.Context, as *process) (left int) {
	store := &dynamostore.Store{
		Client:      awsdynamodb.NewFromConfig(w.aws(as)),
		EventsTable: w.plan.consumer.Events.Table,
		LedgerTable: w.plan.consumer.Ledger.Table,
	}
	for _, opened := range w.books.openedInvoices() {
		head, ok, err := store.Head(ctx, opened.draft)
		if err != nil || !ok || head.State != billing.Rejected || !head.HoldsClaims() {
			continue
		}
		random := w.dice.of("release", opened.draft, as.name, time.Since(w.began).String())
		if coin(w.dice.of("clears", opened.draft)) {
			w.clear(as, opened.draft)
		}
		order := settlement.Order{InvoiceID: opened.draft}
		if coin(random) && !w.hidden(ctx, store, head) {
			order.NotCharged = "looked at all invoices"
		}
		_, err = commands.Release(ctx, commands.Deps{
			Deps:     consumer.Deps{AWS: w.aws(as), Now: as.now, Chargebee: link{as, site, w.api()}},
			Settings: w.plan.consumer,
			Mismatch: func(text string) { w.faults.addf("%s: an alarm: %s", as.name, text) },
		}, order)
		w.timeline.notef(as.name, "releases %s, %s, sending %t, gone %t: %v", opened.draft, head.Reason, head.Sending(), head.GoneAt != 0, err)
		if err != nil {
			left++
		}
	}
	return left
}

// releaseInTheEnd tries until nothing is held anymore, or for as long as a release has anybody
// wait.
func (w *world) releaseInTheEnd(ctx context.Context, as *process) {
	times := w.plan.consumer.Chargebee
	for deadline := time.Now().Add(10 * times.MaxEffectDelay); time.Now().Before(deadline); time.Sleep(times.MaxEffectDelay / 2) {
		if w.releaseAll(ctx, as) == 0 {
			return
		}
	}
}

// clear takes our lines off a pending draft.
func (w *world) clear(as *process, draft string) {
	invoice, ok := w.site.Invoice(draft)
	if !ok || invoice.Status != chargebee.StatusPending || invoice.Deleted {
		return
	}
	for _, line := range charges(invoice) {
		if !isManual(line) {
			w.timeline.notef(as.name, "takes %q off %s: %v", line.Description, draft, w.site.RemoveLine(draft, line.ID))
		}
	}
}

// hidden tells whether a line of the invoice's plan may stand somewhere without its marker: what
// an operator has to rule out who looks at all the customer's invoices.
func (w *world) hidden(ctx context.Context, store *dynamostore.Store, head billing.Head) bool {
	plan, err := store.Plan(ctx, head.InvoiceID, head.Epoch)
	if err != nil {
		return true
	}
	ours := func(line chargebee.LineItem) bool {
		return slices.ContainsFunc(plan.Lines, func(planned billing.Line) bool {
			marked := planned.Marker != "" && strings.Contains(line.Description, planned.Marker)
			return planned.Amount == line.Amount && !marked // whatever its subscription: the draft may have got another one
		})
	}
	return slices.ContainsFunc(w.site.Invoices(), func(invoice chargebee.Invoice) bool {
		return !invoice.Deleted && slices.ContainsFunc(charges(invoice), func(line chargebee.LineItem) bool {
			return !isManual(line) && ours(line)
		})
	})
}
