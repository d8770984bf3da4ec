package settlement_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

// quiet is the time without a write before a release reads from Chargebee.
const quiet = 5*time.Minute + 30*time.Second + 2*time.Second

const neverCharged = "I have seen the customer's invoices"

// refusesSecond has Chargebee refuse the second charge, once.
var refusesSecond = canned{to: "/add_charge", words: "400 invalid_request param_wrong_value", after: 1, times: 1}

// rejectedWithALine is an invoice of three events that is rejected when one of its lines
// is added.
func (w *world) rejectedWithALine() (id string, body []byte) { return w.rejectedBy(refusesSecond) }

// rejectedBy is an invoice of three events that is rejected because of an answer.
func (w *world) rejectedBy(refusal canned) (id string, body []byte) {
	w.t.Helper()
	id, body = w.three()
	w.gateway.answer(refusal)
	w.wantRejected(w.settler(nil), body, billing.ChargebeeRefused)
	w.gateway.stop()
	return id, body
}

// removed removes all lines of ours from a draft.
func removed(w *world, id string) error {
	for _, line := range slices.Concat(w.adHoc(id), w.items(id)) {
		if err := w.chargebee.RemoveLine(id, line.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) release(id string) (settlement.Release, error) {
	return w.settler(nil).Release(w.t.Context(), settlement.Order{InvoiceID: id})
}

func (w *world) assertAndRelease(id string) (settlement.Release, error) {
	return w.settler(nil).Release(w.t.Context(), settlement.Order{InvoiceID: id, NotCharged: neverCharged})
}

// wantRefused checks the error of a release that does nothing.
func (w *world) wantRefused(err error, want string) {
	w.t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		w.t.Fatalf("got the error %v, want %q", err, want)
	}
}

// wantReleased checks the result of a release that succeeds.
func (w *world) wantReleased(release settlement.Release, err error, dispositions billing.Dispositions) {
	w.t.Helper()
	if err != nil || release.Dispositions != dispositions || !release.Claimed {
		w.t.Fatalf("got %+v, %v; want the dispositions %s", release, err, dispositions)
	}
	record := w.head(release.Record.InvoiceID)
	if record != release.Record || record.Owner != "" || !strings.HasPrefix(record.Detail, "released at 20") || time.Now().Unix()-record.UpdatedAt > 60 {
		w.t.Errorf("the head is %+v, shown as %+v", record, release.Record)
	}
}

// tablesAs returns the contents of both tables.
func (w *world) tablesAs() string {
	return fmt.Sprint(w.tables.Items("ledger"), w.tables.Items("events"))
}

// TestReleaseOfAPendingDraft, as it goes: too soon; while a line is there; and when it
// was removed. Then a replay charges everything again.
func TestReleaseOfAPendingDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.rejectedWithALine()
		before, called := w.tablesAs(), w.calls()
		_, err := w.release(id)
		w.wantRefused(err, "try again after 2000-01-01T00:05:3") // bubbles begin in 2000
		if w.tablesAs() != before || w.calls() != called {
			t.Error("a release that comes too soon does something")
		}

		time.Sleep(quiet)
		found := w.head(id)
		for _, release := range []func(string) (settlement.Release, error){w.release, w.assertAndRelease} {
			_, err = release(id)
			w.wantRefused(err, "remove them and run this again")
			w.wantRefused(err, w.adHoc(id)[0].Description[len("calls ["):][:12])
		}
		record := w.head(id)
		if record.Acquisitions != found.Acquisitions+2 {
			t.Errorf("the fence was not written first: %+v", record)
		}
		record.Acquisitions, record.Version = found.Acquisitions, found.Version
		if record != found {
			t.Errorf("a refused release left %+v, found %+v", record, found)
		}

		w.let(removed, id)
		before = w.tablesAs()
		dry, err := w.settler(nil).Release(t.Context(), settlement.Order{InvoiceID: id, DryRun: true})
		if err != nil || dry.Dispositions != "rrr" || w.tablesAs() != before {
			t.Fatalf("a dry run: %+v, %v; it wrote: %t", dry, err, w.tablesAs() != before)
		}
		release, err := w.release(id) // a try that was refused begins no wait
		w.wantReleased(release, err, "rrr")
		w.wantStatuses("unbilled unbilled unbilled")
		record = w.head(id)
		if record.State != billing.Rejected || record.Resume != billing.Claiming || record.Reason != billing.ChargebeeRefused || !strings.Contains(record.Detail, "param_wrong_value") {
			t.Errorf("got %+v", record)
		}
		for _, item := range w.tables.Items("ledger") {
			key := fmt.Sprint(item["invoice_id"])
			if _, ok := item["expires_at"]; !ok && strings.Contains(key, "#") {
				t.Errorf("%s has no time to live", key)
			}
		}

		release, err = w.release(id)
		if err != nil || release.Claimed {
			t.Errorf("released twice: %+v, %v", release, err)
		}
		w.wantClosed(w.settler(nil), body)
	})
}

// TestRelease_EditedLine needs an operator's assertion that it is not ours, which is
// kept.
func TestRelease_EditedLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, _ := w.rejectedWithALine()
		w.let(func(w *world, id string) error {
			return w.chargebee.EditLine(id, w.adHoc(id)[0].ID, func(line *chargebee.LineItem) { line.Description = "as agreed" })
		}, id)
		time.Sleep(quiet)
		_, err := w.release(id)
		w.wantRefused(err, "--assert-not-charged")
		w.wantStatuses("claimed claimed claimed")
		release, err := w.assertAndRelease(id)
		w.wantReleased(release, err, "rrr")
		if !strings.Contains(release.Record.Detail, neverCharged) {
			t.Errorf("the detail is %q", release.Record.Detail)
		}
	})
}

// TestReleaseOfACatalogLine that is on the draft is refused in spite of an assertion: its
// fingerprint is all that was sent of it. One that was changed needs an assertion.
func TestReleaseOfACatalogLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit  manualEdit
		plain string // the error without an assertion; empty: none
		vouch string // with one
	}{
		"it stands":   {func(*world, string) error { return nil }, "of item price calls-EUR for sub", "of item price calls-EUR for sub"},
		"changed":     {editsItem(func(line *chargebee.LineItem) { line.Amount++ }), "--assert-not-charged", ""},
		"removed":     {removed, "", ""},
		"one by hand": {inTurn(removed, addsByHand), "", ""}, // of storage, which was not sent
		"a second": {
			func(w *world, id string) error {
				line := w.items(id)[0]
				if err := removed(w, id); err != nil {
					return err
				}
				line.Description = "by hand"
				_, err := w.chargebee.AddLine(id, line)
				return err
			},
			"look the same", "look the same",
		},
	} {
		for _, asserted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asserted: %t", name, asserted), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newCatalogWorld(t, nil)
					id, _ := w.rejectedBy(canned{to: "/add_charge", words: refusesSecond.words, times: 1})
					w.let(test.edit, id)
					time.Sleep(quiet)
					release, want := w.release, test.plain
					if asserted {
						release, want = w.assertAndRelease, test.vouch
					}
					got, err := release(id)
					if want != "" {
						w.wantRefused(err, want)
						w.wantStatuses("claimed claimed claimed")
						return
					}
					w.wantReleased(got, err, "rrr")
					w.wantStatuses("unbilled unbilled unbilled")
				})
			})
		}
	}
}

// TestReleaseOfALineInDoubt: its call has its effect as late as it may, and that shows as
// late as it may. An impatient operator tries again and again. Nothing is charged twice.
func TestReleaseOfALineInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		added := once("add_charge", 1, sandbox.Fault{Kind: sandbox.ApplyLate, Late: settings.MaxEffectDelay - time.Second})
		w := newWorldOf(t, chargebee.Config{
			MaxReadLag: settings.MaxEffectDelay,
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if operation == "retrieve" {
					return sandbox.Fault{Lag: settings.MaxEffectDelay - time.Second}
				}
				return added.Next(operation)
			}),
		}, dynamodb.Config{})
		id, body := w.three()
		time.Sleep(time.Hour) // the draft itself shows
		settler := w.settler(nil)
		w.wantRetry(settler, body)
		old := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
		if outcome := settler.Handle(t.Context(), old); outcome.Reason != string(billing.TooOld) {
			t.Fatalf("got %+v", outcome)
		}
		var err error
		for range 30 {
			if _, err = w.release(id); err == nil {
				break
			}
			time.Sleep(30 * time.Second)
		}
		w.wantRefused(err, "remove them")
		w.let(removed, id)
		time.Sleep(settings.MaxEffectDelay)
		release, err := w.release(id)
		w.wantReleased(release, err, "rrr")
		w.wantClosed(settler, body)
	})
}

// TestReleaseLooksAtAllLines of a draft that Chargebee shows in pages.
func TestReleaseLooksAtAllLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		for range 310 {
			w.let(func(w *world, id string) error {
				_, err := w.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: 1, Description: "by hand"})
				return err
			}, id)
		}
		w.gateway.answer(refusesSecond)
		w.wantRejected(w.settler(nil), body, billing.ChargebeeRefused)
		w.gateway.stop()
		time.Sleep(quiet)
		_, err := w.release(id)
		w.wantRefused(err, "remove them")
		w.let(func(w *world, id string) error {
			lines := w.adHoc(id)
			return w.chargebee.RemoveLine(id, lines[len(lines)-1].ID)
		}, id)
		release, err := w.release(id)
		w.wantReleased(release, err, "rrr")
	})
}

// TestReleaseGoesOn with one that was given up, of events that were refused before there was
// a plan. It calls Chargebee for nothing, and keeps the reason.
func TestReleaseGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.write("sub", "calls", "1e30")
		id, body := w.renew("sub")
		broken := w.settler(onTheWayTo("dynamodb", func(request *http.Request) error {
			releases := w.head(id).State == billing.Releasing
			if releases && strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".GetItem") && !strings.Contains(bodyOf(request), `"`+id+`"`) {
				return errCrashed // the pages cannot be read
			}
			return nil
		}))
		if outcome, _ := w.receive(broken, body, 5*24*time.Hour); outcome.Reason != string(billing.InvalidEvent) {
			t.Fatalf("got %+v", outcome)
		}
		if record := w.head(id); record.Resume != billing.Releasing {
			t.Fatalf("got %+v", record)
		}
		release, err := w.release(id)
		if err != nil || !release.Claimed || len(release.Lines) != 0 || release.Record.Reason != billing.InvalidEvent || !release.Record.ClaimsReleased() {
			t.Errorf("got %+v, %v", release, err)
		}
		w.wantStatuses(billing.EventUnbilled)
		w.wantCalls("retrieve")
	})
}

// TestReleaseIsRefused for invoices that are not rejected, or that a session settles.
func TestReleaseIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arise func(w *world, id string, body []byte)
		want  string
	}{
		"unknown":   {func(*world, string, []byte) {}, "no such invoice"},
		"done":      {func(w *world, _ string, body []byte) { w.wantClosed(w.settler(nil), body) }, "state why with --reason-note"},
		"under way": {func(w *world, _ string, body []byte) { w.wantRetryOf(body) }, "is charging and not rejected"},
		"taken by a replay": {
			func(w *world, id string, body []byte) {
				w.gateway.answer(refusesSecond)
				w.wantRejected(w.settler(nil), body, billing.ChargebeeRefused)
				time.Sleep(quiet)
				slow := w.settler(onTheWayTo("chargebee", func(*http.Request) error {
					time.Sleep(20 * time.Second)
					return nil
				}))
				go w.handle(slow, body)
				time.Sleep(time.Second)
			},
			"is being processed: try again after",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				test.arise(w, id, body)
				before := w.tablesAs()
				_, err := w.release(id)
				w.wantRefused(err, test.want)
				if name == "unknown" && !errors.Is(err, settlement.ErrUnknown) {
					t.Errorf("got %v", err)
				}
				if w.tablesAs() != before {
					t.Error("it wrote something")
				}
				time.Sleep(10 * time.Minute) // the session ends
			})
		})
	}
}

// wantRetryOf lets a session fail in the middle of charging.
func (w *world) wantRetryOf(body []byte) {
	w.t.Helper()
	w.gateway.answer(canned{to: "/add_charge", words: notReady, after: 1})
	w.wantRetry(w.settler(nil), body)
	w.gateway.stop()
}

// allStatuses are the distinct statuses of the events.
func (w *world) allStatuses() []string {
	distinct := map[string]bool{}
	for status := range strings.FieldsSeq(w.statuses()) {
		distinct[status] = true
	}
	return slices.Sorted(maps.Keys(distinct))
}
