package settlement_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestDraftThatIsPendingAgain was gone in one answer only: the work goes on.
func TestDraftThatIsPendingAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		w.gateway.answer(canned{to: "/add_charge", words: "404 invalid_request resource_not_found", after: 1, times: 1})
		w.gateway.answer(canned{to: "/" + id, words: "404 invalid_request resource_not_found", times: 1})
		w.wantDone(w.settler(nil), body)
		if head := w.head(id); head.Outcome != billing.Closed || head.GoneAt != 0 {
			t.Errorf("got %+v", head)
		}
		w.wantEqualBooks()
	})
}

// TestVerdictWaitsForWhatMustShow: the list of invoices lags behind the draft, and
// does not show its successor yet.
func TestVerdictWaitsForWhatMustShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		var closedAt time.Time
		settler := w.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				switch path := request.URL.Path; {
				case strings.HasSuffix(path, "/add_charge") && len(w.adHoc(id)) == 2 && closedAt.IsZero():
					closedAt = time.Now()
					if err := closed(w, id); err != nil {
						t.Error(err)
					}
				case strings.HasSuffix(path, "/invoices") && time.Since(closedAt) < settings.LateBound-time.Second:
					recorder := httptest.NewRecorder()
					recorder.Header().Set("Content-Type", "application/json")
					_, _ = recorder.WriteString(`{"list":[]}`)
					return recorder.Result(), nil
				}
				return transport.RoundTrip(request)
			})
		})
		outcome := w.deliver(settler, body)
		if head := w.head(id); outcome.Reason != string(billing.InvoiceNotPending) || head.Verdict != "ssr" {
			t.Errorf("got %+v: %+v", outcome, head)
		}
		w.wantStatuses("billed billed unbilled")
		w.wantEachBilledOnce()
	})
}

// TestDoubtOnADeletedDraft holds the line's events: nobody can say what became of it.
func TestDoubtOnADeletedDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.Refuse}))
		id, body := w.three()
		w.handle(w.settler(nil), body)
		if err := w.chargebee.DeleteInvoice(id); err != nil {
			t.Fatal(err)
		}
		outcome := w.deliver(w.settler(nil), body)
		if head := w.head(id); outcome.Reason != string(billing.SuccessorUnknown) || head.Verdict != "hhr" {
			t.Errorf("got %+v: %+v", outcome, head)
		}
	})
}

// TestHeldLinesAreJudgedAnew by a later message, once more is known than when they were
// held: they all stand on the successor, or none was ever charged.
func TestHeldLinesAreJudgedAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // the call in whose place a person closes the draft
		call      int
		fault     sandbox.Fault // of the call, so that a line is in doubt; none: it is refused
		held      string        // the verdict while no list shows the successor
		anew      string        // the verdict once it does
		outcome   queue.Verdict
		reason    billing.Reason
		statuses  string
	}{
		"all stand": {
			operation: "close", call: 1, held: "hhh", anew: "sss",
			outcome: queue.Done, statuses: "billed billed billed",
		},
		"none was charged": {
			operation: "add_charge", call: 1, fault: sandbox.Fault{Kind: sandbox.Refuse}, held: "hrr", anew: "rrr",
			outcome: queue.Reject, reason: billing.InvoiceNotPending, statuses: "unbilled unbilled unbilled",
		},
		"the one in doubt was charged": {
			operation: "add_charge", call: 2, fault: sandbox.Fault{Kind: sandbox.LoseReply}, held: "hhr", anew: "ssr",
			outcome: queue.Reject, reason: billing.InvoiceNotPending, statuses: "billed billed unbilled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id string
				faults := once(test.operation, test.call, test.fault)
				if test.fault.Kind == sandbox.None {
					faults = at(test.operation, test.call, func() {
						if err := closed(w, id); err != nil {
							t.Error(err)
						}
					})
				}
				w = newWorldOf(t, chargebee.Config{Faults: faults, Refusals: []*chargebee.Error{chargebee.ErrInternal}}, dynamodb.Config{})
				var body []byte
				id, body = w.three()
				w.gateway.answer(hiddenList)
				settler := w.settler(nil)
				outcome := w.handle(settler, body)
				if test.fault.Kind != sandbox.None {
					if err := closed(w, id); err != nil {
						t.Fatal(err)
					}
				}
				if outcome.Verdict == queue.Retry {
					time.Sleep(outcome.After)
					outcome = w.deliver(settler, body)
				}
				if head := w.head(id); outcome.Reason != string(billing.SuccessorUnknown) || head.Verdict != test.held {
					t.Fatalf("while the list shows nothing: %+v, %+v", outcome, head)
				}

				w.gateway.stop()
				charged := strings.Count(w.calls(), "add_charge")
				outcome = w.deliver(settler, body)
				if head := w.head(id); outcome.Verdict != test.outcome || outcome.Reason != string(test.reason) || head.Verdict != test.anew {
					t.Errorf("judged anew: %+v, %+v", outcome, head)
				}
				w.wantStatuses(test.statuses)
				if strings.Count(w.calls(), "add_charge") != charged {
					t.Error("it was charged again")
				}
				w.wantEachBilledOnce()

				// What was given back is billed with the next invoice.
				_, next := w.renew("sub")
				w.wantDone(settler, next)
				w.wantStatuses("billed billed billed")
				w.wantEachBilledOnce()
			})
		})
	}
}

// TestSuccessorThatCannotBeRead although it is listed, because the read does not show it
// yet or because it was deleted: it is no verdict, and no attempt.
func TestSuccessorThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		shows   bool // it can be read later
		late    bool // the first look comes when everything must show
		reason  billing.Reason
		verdict string
	}{
		"it shows later":                {shows: true, reason: billing.InvoiceNotPending, verdict: strings.Repeat("s", 100) + "r"},
		"it shows later than it should": {shows: true, late: true, reason: billing.InvoiceNotPending, verdict: strings.Repeat("s", 100) + "r"},
		"it was deleted":                {reason: billing.SuccessorUnknown, verdict: strings.Repeat("h", 100) + "r"},
		"it was deleted late":           {late: true, reason: billing.SuccessorUnknown, verdict: strings.Repeat("h", 100) + "r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id, final string
				w = newWorld(t, at("add_charge", 101, func() {
					invoice, err := w.chargebee.CloseInvoice(id)
					if err != nil {
						t.Error(err)
					}
					final = invoice.ID
					w.gateway.answer(canned{to: "/" + final, words: "404 invalid_request resource_not_found"})
				}))
				for i := range 101 { // so many that a list does not show all
					w.write("sub", fmt.Sprintf("code_%03d", i), "12")
				}
				var body []byte
				id, body = w.renew("sub")
				if test.late { // nothing is listed until everything must show
					hidden := hiddenList
					hidden.until = time.Now().Add(settings.LateBound + settings.MaxSkew)
					w.gateway.answer(hidden)
				}
				settler := w.settler(nil)
				outcome := w.handle(settler, body)
				if test.late {
					time.Sleep(outcome.After)
					outcome = w.handle(settler, body)
				}
				if head := w.head(id); outcome.Verdict != queue.Retry || outcome.After > 6*time.Minute || head.Attempts != 0 || head.Verdict != "" {
					t.Fatalf("got %+v: %+v", outcome, head)
				}
				if test.shows {
					w.gateway.stop()
				} else if err := w.chargebee.DeleteInvoice(final); err != nil {
					t.Fatal(err)
				}
				time.Sleep(outcome.After)
				outcome = w.deliver(settler, body)
				if head := w.head(id); outcome.Reason != string(test.reason) || head.Verdict != test.verdict {
					t.Errorf("got %+v: %+v", outcome, head)
				}
				w.wantEachBilledOnce()
			})
		})
	}
}
