package settlement_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestSession_RefusalAfterTheEffect: a refusal does not prove that a line was not added. Whatever a proxy
// answers, a replay an hour later does not charge again.
func TestSession_RefusalAfterTheEffect(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"400 HTML", "401 HTML", "403 HTML", "404 HTML", "413 HTML", "422 HTML",
		"400 invalid_request param_wrong_value", "404 invalid_request resource_not_found", "409 invalid_request invalid_state_for_request",
	} {
		for name, passing := range map[string]int{"first line": 0, "later line": 1} {
			t.Run(answer+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, nil)
					_, body := w.three()
					w.gateway.answer(canned{to: "/add_charge", words: answer + ", after the effect", after: passing, times: 1})
					w.handle(w.settler(nil), body)
					w.gateway.stop()
					time.Sleep(time.Hour)
					w.wantClosed(w.settler(nil), body)
				})
			})
		}
	}
}

// TestSession_RefusalAndStaleReads: a draft that is missing after a refusal may only not be visible yet. The
// line that was refused after it took effect is not charged again.
func TestSession_RefusalAndStaleReads(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]manualEdit{
		"unchanged": inTurn(),
		"changed": func(w *world, id string) error {
			return w.chargebee.EditInvoice(id, func(invoice *chargebee.Invoice) { invoice.Date++ })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.write("sub", "calls", "10")
				id, body := w.renew("sub")
				w.gateway.answer(canned{to: "/add_charge", words: "409 invalid_request invalid_state_for_request, after the effect", times: 1})
				w.gateway.answer(canned{to: id, words: "404 invalid_request resource_not_found", after: 1, times: 2})
				w.wantRetry(w.settler(nil), body)
				w.let(edit, id)
				time.Sleep(time.Hour)
				w.wantClosed(w.settler(nil), body)
			})
		})
	}
}

// TestSession_ProcessClockAhead: the search for the final invoice does not depend on the clock of the
// process that claimed the events.
func TestSession_ProcessClockAhead(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"2 minutes": 2 * time.Minute, "30 minutes": 30 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				w.meanwhile("close", 1, func() error { return closed(w, id) })
				w.wantClosed(w.process(newPod(ahead), nil), body)
			})
		})
	}
}

// TestSession_RestoredLedger: a ledger and events that were restored to an earlier time have no record of
// the lines on the draft. Their markers stop the settlement.
func TestSession_RestoredLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		w.gateway.answer(canned{to: "/close", words: "503 operation_failed site_not_ready"})
		w.wantRetry(w.settler(nil), body)
		w.gateway.stop()

		w.tables = dynamodb.New(dynamodb.Config{})
		w.sdk = newDynamoDB(sandbox.Transport{Handler: w.tables})
		if _, err := (&dynamostore.Tables{Client: w.sdk, EventsTable: "events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.store = &dynamostore.Store{Client: w.sdk, EventsTable: "events", LedgerTable: "ledger"}
		w.write("sub", "calls", "10")
		w.wantRejected(w.settler(nil), body, billing.AmbiguousLine)
		if lines := len(w.adHoc(id)); lines != 3 {
			t.Errorf("the draft has %d ad-hoc lines, want 3", lines)
		}
	})
}
