package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestRelease_MissingDraft: what is on the final invoice is billed, what was never sent
// is released, and what may have been charged only with an operator's assertion.
func TestRelease_MissingDraft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit         manualEdit
		plain        string // the error without an assertion, once everything shows; empty: none
		dispositions string
		reason       billing.Reason
		waits        bool   // the first try only records that the draft is missing
		vouched      string // the error with an assertion
		after        string // statuses
	}{
		"closed": {
			edit: closed, dispositions: "srr", reason: billing.InvoiceNotPending, after: "billed unbilled unbilled",
		},
		"closed without the line": {
			edit: inTurn(removed, closed), waits: true, plain: "--assert-not-charged", dispositions: "rrr", reason: billing.InvoiceNotPending,
			after: "unbilled unbilled unbilled",
		},
		"deleted": {
			edit: deleted, waits: true, plain: "--assert-not-charged", dispositions: "rrr", reason: billing.InvoiceNotPending,
			after: "unbilled unbilled unbilled",
		},
		"closed with the line twice": {
			edit: inTurn(func(w *world, id string) error {
				_, err := w.chargebee.AddLine(id, w.adHoc(id)[0])
				return err
			}, closed),
			waits: true, plain: "credit the surplus", vouched: "credit the surplus", after: "claimed claimed claimed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, _ := w.rejectedWithALine()
				w.let(test.edit, id)
				time.Sleep(quiet)
				if test.waits {
					_, err := w.settler(nil).Release(t.Context(), settlement.Order{InvoiceID: id, NotCharged: neverCharged, DryRun: true})
					w.wantRefused(err, "the delay starts only with --yes")
					if record := w.head(id); record.MissingSince != 0 {
						t.Errorf("a dry run wrote %+v", record)
					}
					_, err = w.assertAndRelease(id)
					w.wantRefused(err, "may not be visible yet: retry in 5m3")
					if record := w.head(id); record.MissingSince == 0 || record.Owner != "" || record.State != billing.Rejected {
						t.Errorf("got %+v", record)
					}
					w.wantStatuses("claimed claimed claimed")
					time.Sleep(quiet)
				}
				release, err := w.release(id)
				if test.plain != "" {
					w.wantRefused(err, test.plain)
					w.wantStatuses("claimed claimed claimed")
					release, err = w.assertAndRelease(id)
				}
				if test.vouched != "" {
					w.wantRefused(err, test.vouched)
					w.wantStatuses(test.after)
					return
				}
				w.wantReleased(release, err, billing.Dispositions(test.dispositions))
				w.wantStatuses(test.after)
				if record := w.head(id); record.State != billing.Rejected || record.Reason != test.reason || record.HoldsClaims() {
					t.Errorf("got %+v", record)
				}
				// The next invoice bills what was released.
				time.Sleep(time.Minute)
				_, next := w.renew("sub")
				w.wantDone(w.settler(nil), next)
				w.wantAllBilled()
			})
		})
	}
}

// TestReleaseOfHeldLines that were reconciled before.
func TestReleaseOfHeldLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.Refuse}))
		id, body := w.three()
		w.wantRetry(w.settler(nil), body)
		w.let(deleted, id)
		w.wantResult(w.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"})
		time.Sleep(2 * quiet)
		_, err := w.release(id)
		w.wantRefused(err, "calls of sub for EUR 0.10, seats of sub for EUR 0.20")
		release, err := w.assertAndRelease(id)
		w.wantReleased(release, err, "rrr")
		if !strings.Contains(release.Record.Detail, neverCharged) || !release.Record.ClaimsReleased() {
			t.Errorf("got %+v", release.Record)
		}
		w.wantStatuses("unbilled unbilled unbilled")
		release, err = w.release(id)
		if err != nil || release.Claimed {
			t.Errorf("released twice: %+v, %v", release, err)
		}
		_, next := w.renew("sub")
		w.wantDone(w.settler(nil), next)
		w.wantAllBilled()
	})
}

// TestRelease_LinesThatAppearLater: they are billed, and nothing is left to do.
func TestRelease_LinesThatAppearLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		w.gateway.answer(hiddenList)
		w.meanwhile("close", 1, func() error { return closed(w, id) })
		w.wantResult(w.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"})
		w.gateway.stop()
		time.Sleep(2 * quiet)
		release, err := w.release(id)
		w.wantReleased(release, err, "sss")
		if record := w.head(id); record.State != billing.Finished || record.Outcome != billing.Closed {
			t.Errorf("got %+v", record)
		}
		w.wantReconciled()
	})
}

// TestRelease_AssertionListsSubscription: an assertion does not release what is on a final invoice that
// the list of the customer does not show. The list of the subscription shows it.
func TestRelease_AssertionListsSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		w.gateway.answer(canned{to: "/invoices", query: "customer_id", words: "200 with an empty list"})
		w.meanwhile("close", 1, func() error { return closed(w, id) })
		w.wantResult(w.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"})
		time.Sleep(2 * quiet)
		release, err := w.assertAndRelease(id)
		w.wantReleased(release, err, "sss")
		w.wantReconciled()
	})
}

// TestReleaseAfterARefusedClose bills also the lines of 0: they count as charged from then
// on.
func TestReleaseAfterARefusedClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.write("sub", "calls", "10")
		w.write("sub", "free", "0")
		id, body := w.renew("sub")
		w.gateway.answer(canned{to: "/close", words: "400 invalid_request param_wrong_value"})
		w.wantRejected(w.settler(nil), body, billing.CloseRefused)
		w.gateway.stop()
		w.let(closed, id)
		time.Sleep(quiet)
		release, err := w.release(id)
		w.wantReleased(release, err, "ss")
		w.wantStatuses("billed billed")
		w.wantReconciled()
	})
}
