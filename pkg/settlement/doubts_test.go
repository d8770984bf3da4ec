package settlement_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
)

// TestDoubtOutlivesARefusal: a 4xx to a line in doubt does not make it one that was
// never sent, however long it is left alone after.
func TestDoubtOutlivesARefusal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 409, 422} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
			id, body := w.three()
			w.handle(w.settler(nil), body)
			code := map[int]string{404: "resource_not_found", 409: "invalid_state_for_request"}[status]
			if code == "" {
				code = "param_wrong_value"
			}
			refusing := w.settler(answering("/add_charge", status, code, func() bool { return true }))
			if outcome := w.handle(refusing, body); outcome.Verdict != queue.Retry {
				t.Fatalf("%d: got %+v", status, outcome)
			}
			if head := w.head(id); !head.Doubt || !head.Sending() {
				t.Errorf("%d: got %+v", status, head)
			}
			time.Sleep(2 * settings.IdempotencyWindow)
			if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
				t.Fatalf("%d: got %+v", status, outcome)
			}
			w.wantEqualBooks()
		})
	}
}

// TestSleeperAlone decides to send a line again, and sleeps while it waits for a permit
// until it is too late for that. Nobody took its lease: it is the clock that says no.
func TestSleeperAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		_, body := w.three()
		w.handle(w.settler(nil), body)
		time.Sleep(17 * time.Minute) // of 19.5
		sleeper := w.settler(nil)
		slept := false
		sleeper.Pacer = slowPermits{sleeper.Pacer, func() {
			if !slept {
				slept = true
				time.Sleep(4 * time.Minute)
			}
		}}
		before := w.calls()
		if outcome := w.handle(sleeper, body); outcome.Verdict != queue.Retry || outcome.After < 8*time.Minute {
			t.Errorf("got %+v", outcome)
		}
		if got := w.calls(); got != before {
			t.Errorf("it called %s after %s", got, before)
		}
		if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v", outcome)
		}
		w.wantEqualBooks()
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
		if got := w.statuses(); got != "billed billed unbilled" {
			t.Errorf("events are %s", got)
		}
		w.wantLinesOnce()
	})
}

// TestDraftThatIsPendingAgain was gone in one answer only: the work goes on.
func TestDraftThatIsPendingAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		posts, gets := 0, 0
		refusing := answering("/add_charge", http.StatusNotFound, "resource_not_found", func() bool { posts++; return posts == 2 })
		missing := answering("/invoices/"+id, http.StatusNotFound, "resource_not_found", func() bool { gets++; return gets == 1 })
		settler := w.settler(func(service string, transport http.RoundTripper) http.RoundTripper {
			return missing(service, refusing(service, transport))
		})
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v: %+v", outcome, w.head(id))
		}
		if head := w.head(id); head.Outcome != billing.Closed || head.GoneAt != 0 {
			t.Errorf("got %+v", head)
		}
		w.wantEqualBooks()
	})
}
