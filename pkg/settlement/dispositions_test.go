package settlement_test

import (
	"fmt"
	"net/http"
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
		f := newFixture(t, nil)
		id, body := f.three()
		f.gateway.answer(canned{to: "/add_charge", words: "404 invalid_request resource_not_found", after: 1, times: 1})
		f.gateway.answer(canned{to: "/" + id, words: "404 invalid_request resource_not_found", after: 1, times: 1})
		f.wantClosed(f.settler(nil), body)
		if record := f.head(id); record.MissingSince != 0 {
			t.Errorf("got %+v", record)
		}
	})
}

// TestReconcile_WaitsUntilVisible: the list of invoices lags behind the draft, and
// does not show its final invoice yet.
func TestReconcile_WaitsUntilVisible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.meanwhile("add_charge", 3, func() error {
			hidden := hiddenList
			hidden.until = time.Now().Add(settings.MaxEffectDelay - time.Second)
			f.gateway.answer(hidden)
			return closed(f, id)
		})
		f.wantResult(f.settler(nil), body, messageResult{billing.InvoiceNotPending, "ssr", "billed billed unbilled"})
		f.wantEachBilledOnce()
	})
}

// TestDoubtOnADeletedDraft keeps the line's events claimed: its disposition is unknown.
func TestDoubtOnADeletedDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.Refuse}))
		id, body := f.three()
		f.wantRetry(f.settler(nil), body)
		f.let(deleted, id)
		f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"})
	})
}

// TestReconcile_UnknownLinesAgain by a later message, once more is known than when they were
// held: they all are on the final invoice, or none was ever charged.
func TestReconcile_UnknownLinesAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // the call in whose place the draft is closed manually
		call      int
		fault     sandbox.Fault // of the call, so that a line is in doubt; none: it is refused
		held      messageResult // while no list shows the final invoice
		again     messageResult // once one does
	}{
		"all stand": {
			operation: "close", call: 1,
			held:  messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"},
			again: messageResult{"", "sss", "billed billed billed"},
		},
		"none was charged": {
			operation: "add_charge", call: 1, fault: sandbox.Fault{Kind: sandbox.Refuse},
			held:  messageResult{billing.SuccessorUnknown, "hrr", "claimed unbilled unbilled"},
			again: messageResult{billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		},
		"the one in doubt was charged": {
			operation: "add_charge", call: 2, fault: sandbox.Fault{Kind: sandbox.LoseReply},
			held:  messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"},
			again: messageResult{billing.InvoiceNotPending, "ssr", "billed billed unbilled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{
					Faults:   once(test.operation, test.call, test.fault),
					Refusals: []*chargebee.Error{chargebee.ErrInternal},
				}, dynamodb.Config{})
				id, body := f.three()
				f.gateway.answer(hiddenList)
				settler := f.settler(nil)
				if test.fault.Kind == sandbox.None {
					f.meanwhile(test.operation, test.call, func() error { return closed(f, id) })
				}
				outcome := f.wantRetry(settler, body)
				if test.fault.Kind != sandbox.None {
					f.let(closed, id)
				}
				time.Sleep(outcome.Delay)
				f.wantResult(settler, body, test.held)

				f.gateway.stop()
				charged := strings.Count(f.calls(), "add_charge")
				f.wantResult(settler, body, test.again)
				if strings.Count(f.calls(), "add_charge") != charged {
					t.Error("it was charged again")
				}
				f.wantEachBilledOnce()

				// What was released is billed with the next invoice.
				_, next := f.renew("sub")
				f.wantDone(settler, next)
				f.wantStatuses("billed billed billed")
				f.wantEachBilledOnce()
			})
		})
	}
}

// TestReconcile_FinalInvoiceUnreadable although it is listed, because the read does not show it
// yet or because it was deleted: it decides nothing, and is not an attempt.
func TestReconcile_FinalInvoiceUnreadable(t *testing.T) {
	t.Parallel()
	charged := messageResult{billing.InvoiceNotPending, billing.Dispositions(strings.Repeat("s", 100) + "r"), strings.Repeat("billed ", 100) + "unbilled"}
	unknown := messageResult{billing.SuccessorUnknown, billing.Dispositions(strings.Repeat("h", 100) + "r"), strings.Repeat("claimed ", 100) + "unbilled"}
	for name, test := range map[string]struct {
		shows bool // it can be read later
		late  bool // the first read starts when everything must be visible
		want  messageResult
	}{
		"it shows later":                {shows: true, want: charged},
		"it shows later than it should": {shows: true, late: true, want: charged},
		"it was deleted":                {want: unknown},
		"it was deleted late":           {late: true, want: unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				for i := range 101 { // more than a list shows
					f.write("sub", fmt.Sprintf("code_%03d", i), "12")
				}
				id, body := f.renew("sub")
				var final string
				f.meanwhile("add_charge", 101, func() error {
					invoice, err := f.chargebee.CloseInvoice(id)
					final = invoice.ID
					f.gateway.answer(canned{to: "/" + final, words: "404 invalid_request resource_not_found"})
					return err
				})
				if test.late { // nothing is listed until everything must show
					hidden := hiddenList
					hidden.until = time.Now().Add(settings.MaxEffectDelay + settings.MaxSkew)
					f.gateway.answer(hidden)
				}
				settler := f.settler(nil)
				outcome := f.handle(settler, body)
				if test.late {
					time.Sleep(outcome.Delay)
					outcome = f.handle(settler, body)
				}
				if record := f.head(id); outcome.Action != queue.Retry || outcome.Delay > 6*time.Minute || record.Attempts != 0 || record.Dispositions != "" {
					t.Fatalf("got %+v: %+v", outcome, record)
				}
				if test.shows {
					f.gateway.stop()
				} else {
					f.let(deleted, final)
				}
				time.Sleep(outcome.Delay)
				f.wantResult(settler, body, test.want)
				f.wantEachBilledOnce()
			})
		})
	}
}

// TestSettlingThatFails for so long that it is given up: a replay carries the verdict on. It
// begins no new epoch, which would orphan what is still claimed.
func TestSettlingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for range 150 { // two pages
			f.write("sub", "calls", "0.25")
		}
		id, body := f.renew("sub")
		f.meanwhile("add_charge", 1, func() error { return closed(f, id) })
		failing := true
		broken := f.settler(onTheWayTo("dynamodb", func(request *http.Request) error {
			settles := f.head(id).State == billing.Settling
			if failing && settles && strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".GetItem") && !strings.Contains(bodyOf(request), `"`+id+`"`) {
				return errCrashed // the pages cannot be read
			}
			return nil
		}))
		if outcome, receives := f.receive(broken, body, 5*24*time.Hour); outcome.Reason != string(billing.InvoiceNotPending) {
			t.Fatalf("after %d receives: %+v", receives, outcome)
		}
		if record := f.head(id); record.Dispositions != "r" || record.ProcessedPages >= record.Pages || !record.HoldsClaims() {
			t.Fatalf("got %+v", record)
		}
		failing = false
		f.wantRejected(broken, body, billing.InvoiceNotPending)
		if got := strings.Join(f.allStatuses(), " "); got != billing.EventUnbilled {
			t.Errorf("events are %s", got)
		}
	})
}
