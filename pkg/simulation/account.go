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
	found   map[string]chargebee.Invoice // by the id of the draft
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
		heads: map[string]billing.Head{}, letters: map[string]bool{}, found: map[string]chargebee.Invoice{},
	}
	a.events = a.billable()
	a.readLetters()
	a.readInvoices()
	a.checkWebhooks(ctx)
	a.checkEvents(ctx)
	a.checkSums()
	a.checkLeft(ctx)
	a.checkOnTime(ctx)
	a.checkLines(ctx)
	a.checkCalls()
	a.checkRejected(ctx)
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

// readInvoices reads all invoices as they are now.
func (a *account) readInvoices() {
	for _, invoice := range a.site.Invoices() {
		a.found[cmp.Or(invoice.DraftID, invoice.ID)] = invoice
	}
}

// storedEvent is an event as it stands in the table.
type storedEvent struct {
	subscription, code, amount, status, draft, final string
	unbilled                                         bool
	occurredAt                                       int64
}

func (a *account) billable() map[string]storedEvent {
	all := map[string]storedEvent{}
	for _, item := range a.tables.Items(a.plan.consumer.Events.Table) {
		event := storedEvent{
			subscription: word(item["subscription_id"]),
			code:         word(item["charge_code"]),
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

// checkEvents: each is billed, or unbilled, or held by a rejected invoice that has a dead
// letter. checkSums compares that with the lines.
func (a *account) checkEvents(ctx context.Context) {
	for _, id := range slices.Sorted(maps.Keys(a.events)) {
		event := a.events[id]
		if event.unbilled != (event.status == billing.EventUnbilled) {
			a.faultf("%s is %s, and in the index of the unbilled: %t", id, event.status, event.unbilled)
		}
		switch event.status {
		case billing.EventBilled:
		case billing.EventUnbilled:
			if event.draft != "" {
				a.faultf("%s is unbilled, and names %s", id, event.draft)
			}
		case billing.EventClaimed:
			head := a.head(ctx, event.draft)
			if head.State != billing.Rejected || head.Reason == "" || !a.letters[event.draft] || !head.HoldsClaims() {
				a.faultf("%s is held by %s, which is %q, %q, dead letter: %t, holds claims: %t", id, event.draft, head.State, head.Reason, a.letters[event.draft], head.HoldsClaims())
			}
		default:
			a.faultf("%s is %q", id, event.status)
		}
	}
	for id, event := range a.books.events {
		if _, ok := a.events[id]; event.certain != 0 && !ok {
			a.faultf("%s is lost", id)
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
		describe := func(subscription, itemPrice string, amount int64) string {
			if a.books.isMoved(opened.draft) {
				subscription = "" // the site gave lines that of the invoice
			}
			return fmt.Sprintf("%s %s %d", subscription, cmp.Or(itemPrice, "ad-hoc"), amount)
		}
		var planned, found []string
		for _, line := range plan.Lines {
			if line.Amount > 0 {
				planned = append(planned, describe(line.SubscriptionID, line.ItemPriceID, line.Amount))
			}
		}
		for _, line := range invoice.LineItems {
			if isCharge(line) {
				found = append(found, describe(line.SubscriptionID, line.EntityID, line.Amount))
			}
		}
		slices.Sort(planned)
		slices.Sort(found)
		if !slices.Equal(planned, found) {
			a.faultf("%s: planned are %v, on %s are %v", opened.draft, planned, invoice.ID, found)
		}
	}
}

// checkCalls: never were there more than the limit; no key was used for two different
// calls; and where nothing went wrong, each invoice cost the calls that it
// needs and each message was handled once.
func (a *account) checkCalls() {
	if most, began := a.sent.most(); most > a.plan.consumer.Chargebee.RequestsPerMinute {
		a.faultf("%d calls left in the 60 s from %s on, the limit is %d", most, began.Sub(a.timeline.began), a.plan.consumer.Chargebee.RequestsPerMinute)
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
	if want := a.neededCalls(); want > 0 && len(calls) != want {
		a.faultf("%d calls to Chargebee, %d are needed", len(calls), want)
	}
	// With a low limit, a message may come back because no call was free.
	if invoices := len(a.books.invoices); a.books.handlings != invoices && a.plan.perMinute > slices.Max(lowLimits) {
		a.faultf("%d handlings of %d messages", a.books.handlings, invoices)
	}
}

// neededCalls returns the calls that all invoices take where nothing goes wrong: one for each
// line, the read and the close. A trusted webhook saves the read of an invoice that is charged.
// It returns 0 where answers lack lines, which takes more reads.
func (a *account) neededCalls() (calls int) {
	settings := a.settings
	if settings.CutAnswers > 0 || a.plan.linesPerPage > 0 || settings.ShortPages && !settings.WholeInvoices {
		return 0
	}
	for _, invoice := range a.found { // nothing else changes them
		lines := 0
		for _, line := range invoice.LineItems {
			if isCharge(line) {
				lines++
			}
		}
		calls += lines + 2
		whole := settings.CutWebhooks == 0 || len(invoice.LineItems)-lines <= settings.CutWebhooks
		if a.plan.consumer.Invoice.TrustWebhook && !settings.BareWebhooks && whole && lines > 0 {
			calls--
		}
	}
	return calls
}

// checkRejected: an invoice that is pending after all replays was rejected for what it is, not
// for what went wrong meanwhile.
func (a *account) checkRejected(ctx context.Context) {
	passing := []billing.Reason{
		billing.ChargebeeRefused, billing.CloseRefused, billing.AttemptsExhausted, billing.SuccessorUnknown, billing.InvoiceNotPending,
	}
	for _, opened := range a.books.invoices {
		head := a.head(ctx, opened.draft)
		invoice := a.found[opened.draft]
		if head.State == billing.Rejected && slices.Contains(passing, head.Reason) && invoice.Status == chargebee.StatusPending && !invoice.Deleted {
			a.faultf("%s is pending, and rejected as %s: %s", opened.draft, head.Reason, head.Detail)
		}
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
