package settlement_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// at calls do once, when the n-th call of an operation arrives and before it has an
// effect.
func at(operation string, n int, do func()) sandbox.Faults {
	calls := 0
	return sandbox.FaultFunc(func(called string) sandbox.Fault {
		if called == operation {
			if calls++; calls == n {
				do()
			}
		}
		return sandbox.Fault{}
	})
}

// three writes three events, of one code each, and renews.
func (w *world) three() (invoiceID string, body []byte) {
	w.write("sub", "calls", "10")
	w.write("sub", "seats", "20")
	w.write("sub", "storage", "40")
	return w.renew("sub")
}

// statuses of the three events, in the order of their writing.
func (w *world) statuses() string {
	events := w.events()
	var statuses []string
	for i := range w.written {
		status := events[fmt.Sprintf("event_%05d", i+1)].Status
		if status == "" {
			status = billing.EventUnbilled
		}
		statuses = append(statuses, status)
	}
	return strings.Join(statuses, " ")
}

// TestPersonEndsTheDraft in the middle of charging, in every way.
func TestPersonEndsTheDraft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // before whose
		call      int    // n-th call
		person    func(*world, string) error
		reason    billing.Reason // empty: done
		verdict   string
		statuses  string
	}{
		"closed before the first line": {"add_charge", 1, closed, billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		"closed before the second":     {"add_charge", 2, closed, billing.InvoiceNotPending, "srr", "billed unbilled unbilled"},
		"closed before the close":      {"close", 1, closed, "", "sss", "billed billed billed"},
		"deleted before the first":     {"add_charge", 1, deleted, billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		"deleted before the third":     {"add_charge", 3, deleted, billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"},
		"deleted before the close":     {"close", 1, deleted, billing.SuccessorUnknown, "hhh", "claimed claimed claimed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id string
				w = newWorld(t, at(test.operation, test.call, func() {
					if err := test.person(w, id); err != nil {
						t.Error(err)
					}
				}))
				var body []byte
				id, body = w.three()
				outcome := w.deliver(w.settler(nil), body)
				if outcome.Reason != string(test.reason) {
					t.Errorf("got %+v", outcome)
				}
				head := w.head(id)
				if head.Verdict != test.verdict {
					t.Errorf("verdict %q", head.Verdict)
				}
				if got := w.statuses(); got != test.statuses {
					t.Errorf("events are %s", got)
				}
				// A replay charges nothing and says the same.
				before := strings.Count(w.calls(), "add_charge")
				again := w.deliver(w.settler(nil), body)
				if again.Verdict != outcome.Verdict || again.Reason != outcome.Reason {
					t.Errorf("replayed: %+v", again)
				}
				if test.verdict != "rrr" && strings.Count(w.calls(), "add_charge") != before {
					t.Error("the replay charged something")
				}
				if got := w.statuses(); got != test.statuses {
					t.Errorf("after the replay events are %s", got)
				}
				// The next invoice bills what was given back, and nothing else.
				_, next := w.renew("sub")
				if outcome := w.deliver(w.settler(nil), next); outcome.Verdict != queue.Done {
					t.Errorf("the next invoice: %+v", outcome)
				}
				if got := w.statuses(); strings.Contains(got, "unbilled") {
					t.Errorf("after the next invoice events are %s", got)
				}
				w.wantLinesOnce()
			})
		})
	}
}

func closed(w *world, id string) error {
	_, err := w.chargebee.CloseInvoice(id)
	return err
}

func deleted(w *world, id string) error { return w.chargebee.DeleteInvoice(id) }

// wantLinesOnce compares each invoice's ad-hoc lines with the events billed on it.
func (w *world) wantLinesOnce() {
	w.t.Helper()
	billed := map[string]int64{} // by final invoice
	for _, event := range w.events() {
		if event.Status == billing.EventBilled {
			var amount int64
			_, _ = fmt.Sscan(event.Amount, &amount)
			billed[event.FinalID] += amount
		}
	}
	for _, invoice := range w.chargebee.Invoices() {
		if invoice.Deleted {
			continue
		}
		var lines int64
		for _, line := range invoice.LineItems {
			if line.EntityType == chargebee.EntityAdhoc {
				lines += line.Amount
			}
		}
		if lines != billed[invoice.ID] {
			w.t.Errorf("%s has lines of %d, events of %d are billed on it", invoice.ID, lines, billed[invoice.ID])
		}
	}
}

// TestPersonEditsLines that were added, and mends them before the replay.
func TestPersonEditsLines(t *testing.T) {
	t.Parallel()
	var kept chargebee.LineItem
	for name, test := range map[string]struct {
		edit   func(w *world, id string) error
		reason billing.Reason
		mend   func(w *world, id string) error
	}{
		"removed": {
			edit: func(w *world, id string) error {
				kept = w.adHoc(id)[0]
				return w.chargebee.RemoveLine(id, kept.ID)
			},
			reason: billing.LineRemoved,
			mend: func(w *world, id string) error {
				_, err := w.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: kept.Amount, Description: kept.Description})
				return err
			},
		},
		"doubled": {
			edit: func(w *world, id string) error {
				line := w.adHoc(id)[0]
				_, err := w.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: line.Amount, Description: line.Description})
				return err
			},
			reason: billing.DuplicateLine,
			mend:   func(w *world, id string) error { return w.chargebee.RemoveLine(id, w.adHoc(id)[2].ID) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id string
				w = newWorld(t, at("add_charge", 3, func() {
					if err := test.edit(w, id); err != nil {
						t.Error(err)
					}
				}))
				var body []byte
				id, body = w.three()
				settler := w.settler(nil)
				for range 2 { // a replay without mending is rejected again
					if outcome := w.deliver(settler, body); outcome.Reason != string(test.reason) {
						t.Fatalf("got %+v", outcome)
					}
					if got := w.statuses(); got != "claimed claimed claimed" {
						t.Errorf("events are %s", got)
					}
					if strings.Contains(w.calls(), "close") {
						t.Fatal("it was closed")
					}
				}
				if err := test.mend(w, id); err != nil {
					t.Fatal(err)
				}
				if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
					t.Fatalf("replayed: %+v", outcome)
				}
				w.wantEqualBooks()
			})
		})
	}
}

// adHoc are the charges on an invoice.
func (w *world) adHoc(id string) []chargebee.LineItem {
	invoice, _ := w.chargebee.Invoice(id)
	var lines []chargebee.LineItem
	for _, line := range invoice.LineItems {
		if line.EntityType == chargebee.EntityAdhoc {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestAmbiguousLine is one in doubt whose marker a person edited away: it is not
// charged again.
func TestAmbiguousLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		id, body := w.three()
		settler := w.settler(nil)
		if outcome := w.handle(settler, body); outcome.Verdict != queue.Retry {
			t.Fatalf("got %+v", outcome)
		}
		var original string
		edit := func(text string) {
			err := w.chargebee.EditLine(id, w.adHoc(id)[1].ID, func(line *chargebee.LineItem) { original, line.Description = line.Description, text })
			if err != nil {
				t.Fatal(err)
			}
		}
		edit("twenty, as agreed")
		time.Sleep(time.Hour)
		for range 2 {
			if outcome := w.deliver(settler, body); outcome.Reason != string(billing.AmbiguousLine) {
				t.Fatalf("got %+v", outcome)
			}
		}
		edit(original)
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("replayed: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestLostClose finds the closed invoice by its lines.
func TestLostClose(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"effect at once": {Kind: sandbox.LoseReply},
		"half an answer": {Kind: sandbox.CutBody},
		"a late effect":  {Kind: sandbox.ApplyLate, Late: 4 * time.Minute},
		"no effect":      {Kind: sandbox.Refuse},
	} {
		for _, away := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("%s, away for %s", name, away), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, once("close", 1, fault))
					id, body := w.three()
					outcome := w.handle(w.settler(nil), body)
					time.Sleep(away)
					if outcome.Verdict == queue.Retry {
						outcome = w.deliver(w.settler(nil), body)
					}
					if outcome.Verdict != queue.Done {
						t.Fatalf("got %+v", outcome)
					}
					if head := w.head(id); head.Outcome != billing.Closed || head.FinalInvoiceID == "" {
						t.Errorf("got %+v", head)
					}
					w.wantEqualBooks()
				})
			})
		}
	}
}

// answering stands between a settler and Chargebee and answers some calls itself.
func answering(operation string, status int, code string, refuse func() bool) func(string, http.RoundTripper) http.RoundTripper {
	return func(service string, transport http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if service != "chargebee" || !strings.HasSuffix(request.URL.Path, operation) || !refuse() {
				return transport.RoundTrip(request)
			}
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Content-Type", "application/json")
			recorder.WriteHeader(status)
			_, _ = fmt.Fprintf(recorder, `{"message":"no","type":"invalid_request","api_error_code":%q,"http_status_code":%d}`, code, status)
			return recorder.Result(), nil
		})
	}
}

// TestRefusals walks over what Chargebee may say to a charge and to a close.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string
		status    int
		code      string
		reason    billing.Reason // empty: the message comes back
		attempts  int
		held      bool // claims are held when rejected
	}{
		"a charge that is wrong":    {"/add_charge", 400, "param_wrong_value", billing.ChargebeeRefused, 0, false},
		"a key of another payload":  {"/add_charge", 422, "unable_to_process_request", billing.ChargebeeRefused, 0, false},
		"a state that is not so":    {"/add_charge", 409, "invalid_state_for_request", billing.ChargebeeRefused, 0, false},
		"a draft that is not gone":  {"/add_charge", 404, "resource_not_found", billing.ChargebeeRefused, 0, false},
		"a close that is refused":   {"/close", 400, "payment_processing_failed", billing.CloseRefused, 0, true},
		"a close in another state":  {"/close", 409, "invalid_state_for_request", billing.CloseRefused, 0, true},
		"credentials":               {"/add_charge", 401, "api_authentication_failed", "", 0, false},
		"no permission":             {"/add_charge", 403, "request_blocked", "", 0, false},
		"no such site":              {"/add_charge", 404, "site_not_found", "", 0, false},
		"maintenance":               {"/add_charge", 503, "site_not_ready", "", 0, false},
		"read only":                 {"/close", 503, "site_read_only_mode", "", 0, false},
		"another call on it":        {"/add_charge", 429, "lock_timeout", "", 0, false},
		"an error that may be none": {"/add_charge", 500, "internal_error", "", 1, false},
		"an error typed as a fault": {"/close", 503, "db_connection_failure", "", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				refuse := true
				settler := w.settler(answering(test.operation, test.status, test.code, func() bool { return refuse }))
				outcome := w.handle(settler, body)
				if outcome.Reason != string(test.reason) || (test.reason == "") != (outcome.Verdict == queue.Retry) {
					t.Fatalf("got %+v: %+v", outcome, w.last())
				}
				if test.reason == "" { // the first handling got somewhere; this one does not
					time.Sleep(outcome.After)
					if outcome := w.handle(settler, body); outcome.Verdict != queue.Retry {
						t.Fatalf("got %+v", outcome)
					}
				}
				head := w.head(id)
				if head.Owner != "" || test.reason == "" && head.Attempts != test.attempts {
					t.Errorf("got %+v", head)
				}
				if test.reason != "" && strings.Contains(w.statuses(), "claimed") != test.held {
					t.Errorf("events are %s", w.statuses())
				}
				refuse = false
				if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
					t.Fatalf("afterwards: %+v", outcome)
				}
				w.wantEqualBooks()
			})
		})
	}
}

// TestRefusalOfTheSecondLine holds the claims: the first one stands on the invoice.
func TestRefusalOfTheSecondLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_, body := w.three()
		calls := 0
		settler := w.settler(answering("/add_charge", 400, "configuration_incompatible", func() bool { calls++; return calls == 2 }))
		if outcome := w.handle(settler, body); outcome.Reason != string(billing.ChargebeeRefused) {
			t.Fatalf("got %+v", outcome)
		}
		if got := w.statuses(); got != "claimed claimed claimed" {
			t.Errorf("events are %s", got)
		}
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("replayed: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestRefusalInDoubt is no answer to what became of the line: a 4xx may be about the
// twin, or an old one that is replayed.
func TestRefusalInDoubt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 409, 422} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
			_, body := w.three()
			if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Retry {
				t.Fatalf("got %+v", outcome)
			}
			calls := 0
			settler := w.settler(answering("/add_charge", status, "param_wrong_value", func() bool { calls++; return calls == 1 }))
			if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
				t.Fatalf("%d: %+v", status, outcome)
			}
			w.wantEqualBooks()
		})
	}
}

// TestAttemptsAreExhausted by failures without a known end, and counted anew after.
func TestAttemptsAreExhausted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		failing := true
		settler := w.settler(answering("/add_charge", 500, "internal_error", func() bool { return failing }))
		started := time.Now()
		outcome := w.deliver(settler, body)
		if outcome.Reason != string(billing.AttemptsExhausted) || !strings.Contains(outcome.Detail, "internal_error") {
			t.Fatalf("got %+v", outcome)
		}
		if took := time.Since(started); took < 30*time.Minute || took > 24*time.Hour {
			t.Errorf("it took %s", took)
		}
		if head := w.head(id); head.Resume != billing.Charging || !head.Doubt {
			t.Errorf("got %+v", head)
		}
		failing = false
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("replayed: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestTwoInvoicesOfOneSubscription at once: every event is on one of them.
func TestTwoInvoicesOfOneSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 250 {
			w.write("sub", []string{"calls", "seats"}[i%2], "3")
		}
		_, first := w.renew("sub")
		_, second := w.renew("sub")
		var both sync.WaitGroup
		for _, body := range [][]byte{first, second} {
			both.Go(func() {
				if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Errorf("got %+v", outcome)
				}
			})
		}
		both.Wait()
		if got := w.statuses(); strings.Count(got, "billed") != 250 || strings.Contains(got, "un") {
			t.Errorf("events are %s", got)
		}
		w.wantLinesOnce()
	})
}
