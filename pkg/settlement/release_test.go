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
func (f *fixture) rejectedWithALine() (id string, body []byte) { return f.rejectedBy(refusesSecond) }

// rejectedBy is an invoice of three events that is rejected because of an answer.
func (f *fixture) rejectedBy(refusal canned) (id string, body []byte) {
	f.t.Helper()
	id, body = f.three()
	f.gateway.answer(refusal)
	f.wantRejected(f.settler(nil), body, billing.ChargebeeRefused)
	f.gateway.stop()
	return id, body
}

// removed removes all lines of ours from a draft.
func removed(f *fixture, id string) error {
	for _, line := range slices.Concat(f.adHoc(id), f.items(id)) {
		if err := f.chargebee.RemoveLine(id, line.ID); err != nil {
			return err
		}
	}
	return nil
}

func (f *fixture) release(id string) (settlement.Release, error) {
	return f.settler(nil).Release(f.t.Context(), settlement.Order{InvoiceID: id})
}

func (f *fixture) assertAndRelease(id string) (settlement.Release, error) {
	return f.settler(nil).Release(f.t.Context(), settlement.Order{InvoiceID: id, NotCharged: neverCharged})
}

// wantRefused checks the error of a release that does nothing.
func (f *fixture) wantRefused(err error, want string) {
	f.t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		f.t.Fatalf("got the error %v, want %q", err, want)
	}
}

// wantReleased checks the result of a release that succeeds.
func (f *fixture) wantReleased(release settlement.Release, err error, dispositions billing.Dispositions) {
	f.t.Helper()
	if err != nil || release.Dispositions != dispositions || !release.Claimed {
		f.t.Fatalf("got %+v, %v; want the dispositions %s", release, err, dispositions)
	}
	record := f.head(release.Record.InvoiceID)
	if record != release.Record || record.Owner != "" || !strings.HasPrefix(record.Detail, "released at 20") || time.Now().Unix()-record.UpdatedAt > 60 {
		f.t.Errorf("the head is %+v, shown as %+v", record, release.Record)
	}
}

// tablesAs returns the contents of both tables.
func (f *fixture) tablesAs() string {
	return fmt.Sprint(f.tables.Items("ledger"), f.tables.Items("events"))
}

// TestReleaseOfAPendingDraft, as it goes: too soon; while a line is there; and when it
// was removed. Then a replay charges everything again.
func TestReleaseOfAPendingDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.rejectedWithALine()
		before, called := f.tablesAs(), f.calls()
		_, err := f.release(id)
		f.wantRefused(err, "try again after 2000-01-01T00:05:3") // bubbles begin in 2000
		if f.tablesAs() != before || f.calls() != called {
			t.Error("a release that comes too soon does something")
		}

		time.Sleep(quiet)
		found := f.head(id)
		for _, release := range []func(string) (settlement.Release, error){f.release, f.assertAndRelease} {
			_, err = release(id)
			f.wantRefused(err, "remove them and run this again")
			f.wantRefused(err, f.adHoc(id)[0].Description[len("calls ["):][:12])
		}
		record := f.head(id)
		if record.Acquisitions != found.Acquisitions+2 {
			t.Errorf("the fence was not written first: %+v", record)
		}
		record.Acquisitions, record.Version = found.Acquisitions, found.Version
		if record != found {
			t.Errorf("a refused release left %+v, found %+v", record, found)
		}

		f.let(removed, id)
		before = f.tablesAs()
		dry, err := f.settler(nil).Release(t.Context(), settlement.Order{InvoiceID: id, DryRun: true})
		if err != nil || dry.Dispositions != "rrr" || f.tablesAs() != before {
			t.Fatalf("a dry run: %+v, %v; it wrote: %t", dry, err, f.tablesAs() != before)
		}
		release, err := f.release(id) // a try that was refused begins no wait
		f.wantReleased(release, err, "rrr")
		f.wantStatuses("unbilled unbilled unbilled")
		record = f.head(id)
		if record.State != billing.Rejected || record.Resume != billing.Claiming || record.Reason != billing.ChargebeeRefused || !strings.Contains(record.Detail, "param_wrong_value") {
			t.Errorf("got %+v", record)
		}
		for _, item := range f.tables.Items("ledger") {
			key := fmt.Sprint(item["invoice_id"])
			if _, ok := item["expires_at"]; !ok && strings.Contains(key, "#") {
				t.Errorf("%s has no time to live", key)
			}
		}

		release, err = f.release(id)
		if err != nil || release.Claimed {
			t.Errorf("released twice: %+v, %v", release, err)
		}
		f.wantClosed(f.settler(nil), body)
	})
}

// TestRelease_EditedLine needs an operator's assertion that it is not ours, which is
// kept.
func TestRelease_EditedLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, _ := f.rejectedWithALine()
		f.let(func(f *fixture, id string) error {
			return f.chargebee.EditLine(id, f.adHoc(id)[0].ID, func(line *chargebee.LineItem) { line.Description = "as agreed" })
		}, id)
		time.Sleep(quiet)
		_, err := f.release(id)
		f.wantRefused(err, "--assert-not-charged")
		f.wantStatuses("claimed claimed claimed")
		release, err := f.assertAndRelease(id)
		f.wantReleased(release, err, "rrr")
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
		"it stands":   {func(*fixture, string) error { return nil }, "of item price calls-EUR for sub", "of item price calls-EUR for sub"},
		"changed":     {editsItem(func(line *chargebee.LineItem) { line.Amount++ }), "--assert-not-charged", ""},
		"removed":     {removed, "", ""},
		"one by hand": {inTurn(removed, addsByHand), "", ""}, // of storage, which was not sent
		"a second": {
			func(f *fixture, id string) error {
				line := f.items(id)[0]
				if err := removed(f, id); err != nil {
					return err
				}
				line.Description = "by hand"
				_, err := f.chargebee.AddLine(id, line)
				return err
			},
			"look the same", "look the same",
		},
	} {
		for _, asserted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asserted: %t", name, asserted), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newCatalogFixture(t, nil)
					id, _ := f.rejectedBy(canned{to: "/add_charge", words: refusesSecond.words, times: 1})
					f.let(test.edit, id)
					time.Sleep(quiet)
					release, want := f.release, test.plain
					if asserted {
						release, want = f.assertAndRelease, test.vouch
					}
					got, err := release(id)
					if want != "" {
						f.wantRefused(err, want)
						f.wantStatuses("claimed claimed claimed")
						return
					}
					f.wantReleased(got, err, "rrr")
					f.wantStatuses("unbilled unbilled unbilled")
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
		f := newFixtureOf(t, chargebee.Config{
			MaxReadLag: settings.MaxEffectDelay,
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if operation == "retrieve" {
					return sandbox.Fault{Lag: settings.MaxEffectDelay - time.Second}
				}
				return added.Next(operation)
			}),
		}, dynamodb.Config{})
		id, body := f.three()
		time.Sleep(time.Hour) // the draft itself shows
		settler := f.settler(nil)
		f.wantRetry(settler, body)
		old := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
		if outcome := settler.Handle(t.Context(), old); outcome.Reason != string(billing.TooOld) {
			t.Fatalf("got %+v", outcome)
		}
		var err error
		for range 30 {
			if _, err = f.release(id); err == nil {
				break
			}
			time.Sleep(30 * time.Second)
		}
		f.wantRefused(err, "remove them")
		f.let(removed, id)
		time.Sleep(settings.MaxEffectDelay)
		release, err := f.release(id)
		f.wantReleased(release, err, "rrr")
		f.wantClosed(settler, body)
	})
}

// TestReleaseLooksAtAllLines of a draft that Chargebee shows in pages.
func TestReleaseLooksAtAllLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		for range 310 {
			f.let(func(f *fixture, id string) error {
				_, err := f.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: 1, Description: "by hand"})
				return err
			}, id)
		}
		f.gateway.answer(refusesSecond)
		f.wantRejected(f.settler(nil), body, billing.ChargebeeRefused)
		f.gateway.stop()
		time.Sleep(quiet)
		_, err := f.release(id)
		f.wantRefused(err, "remove them")
		f.let(func(f *fixture, id string) error {
			lines := f.adHoc(id)
			return f.chargebee.RemoveLine(id, lines[len(lines)-1].ID)
		}, id)
		release, err := f.release(id)
		f.wantReleased(release, err, "rrr")
	})
}

// TestReleaseGoesOn with one that was given up, of events that were refused before there was
// a plan. It calls Chargebee for nothing, and keeps the reason.
func TestReleaseGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub", "calls", "1e30")
		id, body := f.renew("sub")
		broken := f.settler(onTheWayTo("dynamodb", func(request *http.Request) error {
			releases := f.head(id).State == billing.Releasing
			if releases && strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".GetItem") && !strings.Contains(bodyOf(request), `"`+id+`"`) {
				return errCrashed // the pages cannot be read
			}
			return nil
		}))
		if outcome, _ := f.receive(broken, body, 5*24*time.Hour); outcome.Reason != string(billing.InvalidEvent) {
			t.Fatalf("got %+v", outcome)
		}
		if record := f.head(id); record.Resume != billing.Releasing {
			t.Fatalf("got %+v", record)
		}
		release, err := f.release(id)
		if err != nil || !release.Claimed || len(release.Lines) != 0 || release.Record.Reason != billing.InvalidEvent || !release.Record.ClaimsReleased() {
			t.Errorf("got %+v, %v", release, err)
		}
		f.wantStatuses(billing.EventUnbilled)
		f.wantCalls("retrieve")
	})
}

// TestRelease_ResumedSettlementWithCredit: the events of a credit line stay unbilled, and the release shows that.
func TestRelease_ResumedSettlementWithCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.writeMany("sub", "calls", "1", billing.MaxPageEvents+3) // two pages: settling is a state of its own
		f.write("sub", "refunds", "-5")
		id, body := f.renew("sub")
		broken := f.settler(onTheWayTo("dynamodb", func(request *http.Request) error {
			if strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".TransactWriteItems") && f.head(id).State == billing.Settling {
				return errCrashed
			}
			return nil
		}))
		if outcome, _ := f.receive(broken, body, 5*24*time.Hour); outcome.Reason != string(billing.AttemptsExhausted) {
			t.Fatalf("got %+v", outcome)
		}
		if record := f.head(id); record.Resume != billing.Settling || record.Dispositions != "" {
			t.Fatalf("got %+v", record)
		}
		release, err := f.release(id)
		if err != nil || release.Dispositions != "sr" {
			t.Errorf("got dispositions %q, %v", release.Dispositions, err)
		}
	})
}

// TestReleaseIsRefused for invoices that are not rejected, or that a session settles.
func TestReleaseIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arise func(f *fixture, id string, body []byte)
		want  string
	}{
		"unknown":   {func(*fixture, string, []byte) {}, "no such invoice"},
		"done":      {func(f *fixture, _ string, body []byte) { f.wantClosed(f.settler(nil), body) }, "state why with --reason-note"},
		"under way": {func(f *fixture, _ string, body []byte) { f.wantRetryOf(body) }, "is charging and not rejected"},
		"taken by a replay": {
			func(f *fixture, id string, body []byte) {
				f.gateway.answer(refusesSecond)
				f.wantRejected(f.settler(nil), body, billing.ChargebeeRefused)
				time.Sleep(quiet)
				slow := f.settler(onTheWayTo("chargebee", func(*http.Request) error {
					time.Sleep(20 * time.Second)
					return nil
				}))
				go f.handle(slow, body)
				time.Sleep(time.Second)
			},
			"is being processed: try again after",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				test.arise(f, id, body)
				before := f.tablesAs()
				_, err := f.release(id)
				f.wantRefused(err, test.want)
				if name == "unknown" && !errors.Is(err, settlement.ErrNoInvoice) {
					t.Errorf("got %v", err)
				}
				if f.tablesAs() != before {
					t.Error("it wrote something")
				}
				time.Sleep(10 * time.Minute) // the session ends
			})
		})
	}
}

// wantRetryOf lets a session fail in the middle of charging.
func (f *fixture) wantRetryOf(body []byte) {
	f.t.Helper()
	f.gateway.answer(canned{to: "/add_charge", words: notReady, after: 1})
	f.wantRetry(f.settler(nil), body)
	f.gateway.stop()
}

// allStatuses are the distinct statuses of the events.
func (f *fixture) allStatuses() []string {
	distinct := map[string]bool{}
	for status := range strings.FieldsSeq(f.statuses()) {
		distinct[status] = true
	}
	return slices.Sorted(maps.Keys(distinct))
}
