package simulation_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/reconciliation"
)

// verifier checks the invariants at the end of a scenario: it compares the invoices, the events, the
// ledger, the dead letters and the accepted webhooks.
type verifier struct {
	*env

	when           string
	store          *dynamostore.Store
	records        map[string]billing.Record
	withDeadLetter map[string]bool
	events         map[string]reconciliation.Event // by id
	invoices       map[string]chargebee.Invoice    // by the id of the draft
}

func (e *env) verify(when string) {
	ctx := context.Background()
	v := &verifier{
		env: e, when: when,
		store:   e.store(e.process("accountant " + when)),
		records: map[string]billing.Record{}, withDeadLetter: map[string]bool{}, events: map[string]reconciliation.Event{}, invoices: map[string]chargebee.Invoice{},
	}
	v.readEvents()
	v.readDeadLetters()
	if e.scenario.rewrites {
		v.useClaims(ctx)
	}
	for _, invoice := range e.site.Invoices() {
		v.invoices[cmp.Or(invoice.DraftID, invoice.ID)] = invoice
	}
	v.checkWebhooks(ctx)
	v.checkEvents(ctx)
	v.checkSums()
	v.checkUnbilled(ctx)
	v.checkBilledInTime(ctx)
	v.checkLines(ctx)
	v.checkCalls()
	v.checkRejected(ctx)
}

func (v *verifier) failf(format string, args ...any) {
	v.violations.addf(v.when+": "+format, args...)
}

func (v *verifier) record(ctx context.Context, draft string) billing.Record {
	record, ok := v.records[draft]
	if !ok {
		var err error
		if record, _, err = v.store.Record(ctx, draft); err != nil {
			v.failf("%s: %v", draft, err)
		}
		v.records[draft] = record
	}
	return record
}

// isClosed reports whether the ledger has the invoice of a draft as closed.
func (v *verifier) isClosed(ctx context.Context, draft string) bool {
	record := v.record(ctx, draft)
	return record.State == billing.Finished && record.Outcome == billing.Closed
}

// readDeadLetters reads the dead letters. Each must have a reason.
func (v *verifier) readDeadLetters() {
	for _, message := range v.deadLetters() {
		draft := message.Attributes[queue.AttributeInvoiceID]
		v.withDeadLetter[draft] = true
		for _, name := range []string{queue.AttributeReason, queue.AttributeFailedAt} {
			if message.Attributes[name] == "" {
				v.failf("dead letter %s of %s has no %s", message.ID, draft, name)
			}
		}
	}
}

// readEvents reads the events. The index must have exactly the unbilled ones.
func (v *verifier) readEvents() {
	for _, item := range v.tables.Items(v.scenario.consumer.Events.Table) {
		event := reconciliation.NewEvent(func(name string) string { return stringOf(item[name]) })
		event.Status = cmp.Or(event.Status, billing.EventUnbilled)
		v.events[event.EventID] = event
		if isIndexed := item["unbilled"] != nil; isIndexed != (event.Status == billing.EventUnbilled) {
			v.failf("%s is %s, and in the index of the unbilled: %t", event.EventID, event.Status, isIndexed)
		}
	}
}

func stringOf(value attribute.Value) string {
	switch value := value.(type) {
	case attribute.String:
		return string(value)
	case attribute.Number:
		return value.String()
	default:
		return ""
	}
}

// checkWebhooks checks that each accepted webhook led to a finished invoice or a dead letter.
func (v *verifier) checkWebhooks(ctx context.Context) {
	for _, event := range v.site.Events() {
		accepted := slices.ContainsFunc(event.Attempts, func(attempt chargebee.Attempt) bool { return attempt.Status == http.StatusOK })
		if event.Type != chargebee.EventPendingInvoiceCreated || !accepted {
			continue
		}
		record := v.record(ctx, event.InvoiceID)
		rejected := record.State == billing.Rejected && record.Reason != "" && v.withDeadLetter[event.InvoiceID]
		if record.State != billing.Finished && !rejected {
			v.failf("the accepted webhook %s of %s was lost: %q, %q, dead letter: %t", event.ID, event.InvoiceID, record.State, record.Reason, v.withDeadLetter[event.InvoiceID])
		}
	}
}

// checkEvents checks that each event is billed, or unbilled, or held by a rejected invoice that has
// a dead letter. checkSums compares that with the lines.
func (v *verifier) checkEvents(ctx context.Context) {
	for _, id := range slices.Sorted(maps.Keys(v.events)) {
		event := v.events[id]
		switch event.Status {
		case billing.EventBilled:
		case billing.EventUnbilled:
			if event.InvoiceID != "" {
				v.failf("%s is unbilled, and has the invoice %s", id, event.InvoiceID)
			}
		case billing.EventClaimed:
			record := v.record(ctx, event.InvoiceID)
			if record.State != billing.Rejected || record.Reason == "" || !v.withDeadLetter[event.InvoiceID] || !record.HoldsClaims() {
				v.failf("%s is held by %s, which is %q, %q, dead letter: %t, holds claims: %t", id, event.InvoiceID, record.State, record.Reason, v.withDeadLetter[event.InvoiceID], record.HoldsClaims())
			}
		default:
			v.failf("%s is %q", id, event.Status)
		}
	}
	for id, written := range v.recorder.events {
		if _, ok := v.events[id]; written != 0 && !ok {
			v.failf("%s is lost", id)
		}
	}
}

// checkLines checks that each line of the plan of a closed invoice is on the invoice once, and no
// other line of ours.
func (v *verifier) checkLines(ctx context.Context) {
	for _, created := range v.recorder.invoices {
		if !v.isClosed(ctx, created.draft) {
			continue
		}
		record, invoice := v.record(ctx, created.draft), v.invoices[created.draft]
		if invoice.ID != record.FinalInvoiceID || invoice.Status == chargebee.StatusPending {
			v.failf("the ledger has %s as closed as %s; it is %s, %s", created.draft, record.FinalInvoiceID, invoice.ID, invoice.Status)
		}
		plan, err := v.store.Plan(ctx, created.draft, record.Epoch)
		if err != nil {
			v.failf("%s: %v", created.draft, err)
			continue
		}
		format := func(subscription, itemPrice string, amount int64) string {
			if v.recorder.wasEdited(created.draft) {
				subscription = "" // the site gave lines that of the invoice
			}
			return fmt.Sprintf("%s %s %d", subscription, cmp.Or(itemPrice, "ad-hoc"), amount)
		}
		var planned, found []string
		for _, line := range plan.Lines {
			if line.Amount > 0 {
				planned = append(planned, format(line.SubscriptionID, line.ItemPriceID, line.Amount))
			}
		}
		for _, line := range invoice.LineItems {
			if isCharge(line) {
				found = append(found, format(line.SubscriptionID, line.EntityID, line.Amount))
			}
		}
		slices.Sort(planned)
		slices.Sort(found)
		if !slices.Equal(planned, found) {
			v.failf("%s: planned are %v, on %s are %v", created.draft, planned, invoice.ID, found)
		}
	}
}

// checkCalls checks the rate limit, and that no key was used for two different calls. Without faults,
// each invoice takes the minimum of calls, and each message one session.
func (v *verifier) checkCalls() {
	if most, began := v.recorder.peak(); most > v.scenario.consumer.Chargebee.RequestsPerMinute {
		v.failf("%d calls were sent in the 60 s from %s on, the limit is %d", most, began.Sub(v.timeline.began), v.scenario.consumer.Chargebee.RequestsPerMinute)
	}
	calls := v.site.Calls()
	for _, call := range calls {
		if call.Status == http.StatusUnprocessableEntity {
			v.failf("%s of %s was refused: its key had been used for another call", call.Operation, call.InvoiceID)
		}
	}
	if strings.TrimSuffix(v.scenario.profile, withCatalog) != undisturbed {
		return
	}
	if want := v.minCalls(); want > 0 && len(calls) != want {
		v.failf("%d calls to Chargebee, %d are needed", len(calls), want)
	}
	// With a low limit, a message may be retried because no call was free.
	if invoices := len(v.recorder.invoices); v.recorder.sessions != invoices && v.scenario.perMinute > slices.Max(lowLimits) {
		v.failf("%d sessions for %d messages", v.recorder.sessions, invoices)
	}
}

// minCalls returns the number of calls that all invoices take without faults: one for each line, the
// read and the close. A trusted webhook saves the read of an invoice that is charged. It returns 0
// where answers lack lines, which takes more reads.
func (v *verifier) minCalls() (calls int) {
	settings := v.settings
	trustsSome := v.scenario.consumer.Invoice.TrustWebhook && len(v.scenario.charges) > 0 // those without the catalog
	if trustsSome || settings.CutAnswers > 0 || v.scenario.linesPerPage > 0 || settings.ShortPages && !settings.WholeInvoices {
		return 0
	}
	for _, invoice := range v.invoices {
		lines := 0
		for _, line := range invoice.LineItems {
			if isCharge(line) {
				lines++
			}
		}
		calls += lines + 2
		complete := settings.CutWebhooks == 0 || len(invoice.LineItems)-lines <= settings.CutWebhooks
		if v.scenario.consumer.Invoice.TrustWebhook && !settings.BareWebhooks && complete && lines > 0 {
			calls--
		}
	}
	return calls
}

// checkRejected checks that an invoice that is still pending was not rejected because of temporary
// faults.
func (v *verifier) checkRejected(ctx context.Context) {
	temporary := []billing.Reason{
		billing.ChargebeeRefused, billing.CloseRefused, billing.AttemptsExhausted, billing.SuccessorUnknown, billing.InvoiceNotPending,
	}
	for _, created := range v.recorder.invoices {
		record := v.record(ctx, created.draft)
		if record.State == billing.Rejected && slices.Contains(temporary, record.Reason) && isPending(v.invoices[created.draft]) {
			v.failf("%s is pending, and rejected as %s: %s", created.draft, record.Reason, record.Detail)
		}
	}
}

// verifyAfterExpiry checks that the ledger still has the invoices that hold events.
func (e *env) verifyAfterExpiry() {
	for _, item := range e.tables.Items(e.scenario.consumer.Events.Table) {
		draft := stringOf(item["invoice_id"])
		if stringOf(item["status"]) == billing.EventClaimed && e.ledgerRecord(draft) == nil {
			e.violations.addf("%s is held by %s, which the ledger no longer has", stringOf(item["event_id"]), draft)
		}
	}
}
