package simulation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// account compares the books: what stands on the invoices, what the events say, what
// the ledger says, and what became of every accepted webhook.
type account struct {
	*world

	when    string
	store   *dynamostore.Store
	heads   map[string]billing.Head
	letters map[string]bool              // invoices that have a dead letter
	events  map[string]storedEvent       // by id
	charged map[string][]charge          // by event
	found   map[string]chargebee.Invoice // by id now
}

// charge is an event on a line.
type charge struct {
	invoice string
	line    chargebee.LineItem
}

func (w *world) account(when string) {
	ctx := context.Background()
	a := &account{
		world: w, when: when,
		store: &dynamostore.Store{
			Client:      awsdynamodb.NewFromConfig(w.aws(w.process("accountant " + when))),
			EventsTable: w.plan.consumer.Events.Table,
			LedgerTable: w.plan.consumer.Ledger.Table,
		},
		heads: map[string]billing.Head{}, letters: map[string]bool{}, charged: map[string][]charge{}, found: map[string]chargebee.Invoice{},
	}
	a.events = a.billable()
	a.readLetters()
	a.readInvoices()
	a.checkWebhooks(ctx)
	a.checkEvents(ctx)
	a.checkLines(ctx)
	a.checkCalls()
}

func (a *account) faultf(format string, args ...any) {
	a.faults.addf(a.when+": "+format, args...)
}

func (a *account) head(ctx context.Context, draft string) billing.Head {
	head, ok := a.heads[draft]
	if !ok {
		var err error
		if head, _, err = a.store.Head(ctx, draft); err != nil {
			a.faultf("%s: %v", draft, err)
		}
		a.heads[draft] = head
	}
	return head
}

// readLetters looks at the dead letters: each has its reason.
func (a *account) readLetters() {
	for _, letter := range a.deadLetters() {
		a.letters[letter.Attributes[queue.AttributeInvoiceID]] = true
		for _, name := range []string{queue.AttributeReason, queue.AttributeFailedAt} {
			if letter.Attributes[name] == "" {
				a.faultf("dead letter %s of %s has no %s", letter.ID, letter.Attributes[queue.AttributeInvoiceID], name)
			}
		}
	}
}

// readInvoices reads which events stand on which lines.
func (a *account) readInvoices() {
	names := map[string]string{} // of events, by subscription and amount
	for id, event := range a.events {
		if whole, _, _ := strings.Cut(event.amount, "."); whole != "0" {
			names[event.subscription+" "+whole] = id
		}
	}
	for _, invoice := range a.site.Invoices() {
		draft := invoice.DraftID
		if draft == "" {
			draft = invoice.ID
		}
		a.found[draft] = invoice
		for _, line := range invoice.LineItems {
			if invoice.Deleted || !added(line) || a.books.strange[line.ID] {
				continue
			}
			for power := range 63 {
				if line.Amount&(1<<power) == 0 {
					continue
				}
				id, ok := names[line.SubscriptionID+" "+strconv.FormatInt(1<<power, 10)]
				if !ok {
					a.faultf("line %q of %d on %s charges %d, which no event of %s costs", line.Description, line.Amount, invoice.ID, int64(1)<<power, line.SubscriptionID)
				}
				a.charged[id] = append(a.charged[id], charge{invoice.ID, line})
			}
		}
	}
}

// storedEvent is an event as it stands in the table.
type storedEvent struct {
	subscription, amount, status, draft, final string
	unbilled                                   bool
	occurredAt                                 int64
}

func (a *account) billable() map[string]storedEvent {
	all := map[string]storedEvent{}
	for _, item := range a.tables.Items(a.plan.consumer.Events.Table) {
		event := storedEvent{
			subscription: word(item["subscription_id"]),
			amount:       word(item["amount"]),
			status:       word(item["status"]),
			draft:        word(item["invoice_id"]),
			final:        word(item["final_invoice_id"]),
			unbilled:     item["unbilled"] != nil,
		}
		event.occurredAt, _ = strconv.ParseInt(word(item["occurred_at"]), 10, 64)
		if event.status == "" {
			event.status = billing.EventUnbilled
		}
		all[word(item["event_id"])] = event
	}
	return all
}

func word(value attribute.Value) string {
	switch value := value.(type) {
	case attribute.String:
		return string(value)
	case attribute.Number:
		return value.String()
	default:
		return ""
	}
}

// checkWebhooks: each that was accepted ended in its invoice being finished, or in a
// dead letter.
func (a *account) checkWebhooks(ctx context.Context) {
	for _, event := range a.site.Events() {
		accepted := slices.ContainsFunc(event.Attempts, func(attempt chargebee.Attempt) bool { return attempt.Status == http.StatusOK })
		if event.Type != chargebee.EventPendingInvoiceCreated || !accepted {
			continue
		}
		head := a.head(ctx, event.InvoiceID)
		switch {
		case head.State == billing.Finished:
		case head.State == billing.Rejected && head.Reason != "" && a.letters[event.InvoiceID]:
		default:
			a.faultf("the accepted webhook %s of %s came to nothing: %q, %q, dead letter: %t", event.ID, event.InvoiceID, head.State, head.Reason, a.letters[event.InvoiceID])
		}
	}
}

// checkEvents: each is billed on one line of the invoice that it names, or unbilled
// and on none, or held by a rejected invoice that has a dead letter.
func (a *account) checkEvents(ctx context.Context) {
	events := a.events
	for _, id := range slices.Sorted(maps.Keys(events)) {
		event, on := events[id], a.charged[id]
		free := strings.HasPrefix(event.amount, "0")
		if event.unbilled != (event.status == billing.EventUnbilled) {
			a.faultf("%s is %s, and in the index of the unbilled: %t", id, event.status, event.unbilled)
		}
		if len(on) > 1 {
			a.faultf("%s is charged %d times: %v", id, len(on), on)
		}
		switch event.status {
		case billing.EventBilled:
			if !free && (len(on) != 1 || on[0].invoice != event.final) {
				a.faultf("%s is billed on %s, and charged on %v", id, event.final, on)
			}
		case billing.EventUnbilled:
			if len(on) != 0 {
				a.faultf("%s is unbilled, and charged on %v", id, on)
			}
		case billing.EventClaimed:
			head := a.head(ctx, event.draft)
			if head.State != billing.Rejected || head.Reason == "" || !a.letters[event.draft] {
				a.faultf("%s is held by %s, which is %q, %q, dead letter: %t", id, event.draft, head.State, head.Reason, a.letters[event.draft])
			}
		default:
			a.faultf("%s is %q", id, event.status)
		}
	}
	for id, event := range a.books.events {
		if _, ok := events[id]; event.certain != 0 && !ok {
			a.faultf("%s is lost", id)
		}
	}
	a.checkLeft(ctx, events)
}

// checkLeft: what was due on an invoice that went its way is on an invoice.
func (a *account) checkLeft(ctx context.Context, events map[string]storedEvent) {
	last := map[string]int64{} // latest date that was billed, by subscription
	for _, opened := range a.books.invoices {
		if head := a.head(ctx, opened.draft); head.State != billing.Finished || head.Outcome != billing.Closed {
			return
		}
		for _, subscription := range opened.subscriptions {
			last[subscription] = max(last[subscription], opened.date)
		}
	}
	const shows = 10 // seconds, by which the index shows what was written
	for _, id := range slices.Sorted(maps.Keys(events)) {
		event := events[id]
		if event.status == billing.EventUnbilled && event.occurredAt < last[event.subscription] && a.books.settledBefore(id, last[event.subscription]-shows) {
			a.faultf("%s was due, and all invoices are closed without it", id)
		}
	}
}

// checkLines: each line of a plan that was carried out stands on its invoice once, and
// nothing else of ours does.
func (a *account) checkLines(ctx context.Context) {
	for _, opened := range a.books.invoices {
		head := a.head(ctx, opened.draft)
		if head.State != billing.Finished || head.Outcome != billing.Closed {
			continue
		}
		invoice := a.found[opened.draft]
		if invoice.ID != head.FinalInvoiceID || invoice.Status == chargebee.StatusPending {
			a.faultf("%s is closed as %s, says the ledger; it is %s, %s", opened.draft, head.FinalInvoiceID, invoice.ID, invoice.Status)
		}
		plan, err := a.store.Plan(ctx, opened.draft, head.Epoch)
		if err != nil {
			a.faultf("%s: %v", opened.draft, err)
			continue
		}
		var planned, standing []string
		for _, line := range plan.Lines {
			if line.Amount > 0 {
				planned = append(planned, fmt.Sprintf("%s %s %d", line.SubscriptionID, cmp.Or(line.ItemPriceID, "ad-hoc"), line.Amount))
			}
		}
		for _, line := range invoice.LineItems {
			if added(line) && !a.books.strange[line.ID] {
				standing = append(standing, fmt.Sprintf("%s %s %d", line.SubscriptionID, cmp.Or(line.EntityID, "ad-hoc"), line.Amount))
			}
		}
		slices.Sort(planned)
		slices.Sort(standing)
		if !slices.Equal(planned, standing) {
			a.faultf("%s: planned are %v, on %s stand %v", opened.draft, planned, invoice.ID, standing)
		}
	}
}

// checkCalls: never were there more than the budget; no key was used for two different
// calls; and where nothing went wrong, each invoice of n lines cost n + 1 calls and each
// message was handled once.
func (a *account) checkCalls() {
	if most, began := a.sent.most(); most > a.plan.consumer.Chargebee.RequestsPerMinute {
		a.faultf("%d calls left in the 60 s from %s on, the budget is %d", most, began.Sub(a.timeline.began), a.plan.consumer.Chargebee.RequestsPerMinute)
	}
	calls := a.site.Calls()
	for _, call := range calls {
		if call.Status == http.StatusUnprocessableEntity {
			a.faultf("%s of %s was refused: its key had been used for another call", call.Operation, call.InvoiceID)
		}
	}
	if strings.TrimSuffix(a.plan.profile, withCatalog) != undisturbed {
		return
	}
	want := 0
	for _, invoice := range a.found { // none of them is touched by anybody else
		want++
		for _, line := range invoice.LineItems {
			if added(line) {
				want++
			}
		}
	}
	if len(calls) != want {
		a.faultf("%d calls to Chargebee, %d are needed", len(calls), want)
	}
	if invoices := len(a.books.invoices); a.books.handlings != invoices {
		a.faultf("%d handlings of %d messages", a.books.handlings, invoices)
	}
}

// accountAfterExpiry looks whether the ledger forgot what is still held.
func (w *world) accountAfterExpiry() {
	kept := map[string]bool{}
	for _, item := range w.tables.Items(w.plan.consumer.Ledger.Table) {
		kept[word(item["invoice_id"])] = true
	}
	for _, item := range w.tables.Items(w.plan.consumer.Events.Table) {
		if draft := word(item["invoice_id"]); word(item["status"]) == billing.EventClaimed && !kept[draft] {
			w.faults.addf("%s is held by %s, which the ledger has forgotten", word(item["event_id"]), draft)
		}
	}
}
