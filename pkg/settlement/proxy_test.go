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
					f := newFixture(t, nil)
					_, body := f.three()
					f.gateway.answer(canned{to: "/add_charge", words: answer + ", after the effect", after: passing, times: 1})
					f.handle(f.settler(nil), body)
					f.gateway.stop()
					time.Sleep(time.Hour)
					f.wantClosed(f.settler(nil), body)
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
		"changed": func(f *fixture, id string) error {
			return f.chargebee.EditInvoice(id, func(invoice *chargebee.Invoice) { invoice.Date++ })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.write("sub", "calls", "10")
				id, body := f.renew("sub")
				f.gateway.answer(canned{to: "/add_charge", words: "409 invalid_request invalid_state_for_request, after the effect", times: 1})
				f.gateway.answer(canned{to: id, words: "404 invalid_request resource_not_found", after: 1, times: 2})
				f.wantRetry(f.settler(nil), body)
				f.let(edit, id)
				time.Sleep(time.Hour)
				f.wantClosed(f.settler(nil), body)
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
				f := newFixture(t, nil)
				id, body := f.three()
				f.meanwhile("close", 1, func() error { return closed(f, id) })
				f.wantClosed(f.process(newPod(ahead), nil), body)
			})
		})
	}
}

// TestSession_RestoredLedger: a ledger and events that were restored to an earlier time have no record of
// the lines on the draft. Their markers stop the settlement.
func TestSession_RestoredLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.gateway.answer(canned{to: "/close", words: "503 operation_failed site_not_ready"})
		f.wantRetry(f.settler(nil), body)
		f.gateway.stop()

		f.tables = dynamodb.New(dynamodb.Config{})
		f.sdk = newDynamoDB(sandbox.Transport{Handler: f.tables})
		if _, err := (&dynamostore.Tables{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.store = &dynamostore.Store{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}
		f.write("sub", "calls", "10")
		f.wantRejected(f.settler(nil), body, billing.AmbiguousLine)
		if lines := len(f.adHoc(id)); lines != 3 {
			t.Errorf("the draft has %d ad-hoc lines, want 3", lines)
		}
	})
}
