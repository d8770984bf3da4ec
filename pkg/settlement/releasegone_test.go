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
			edit: inTurn(func(f *fixture, id string) error {
				_, err := f.chargebee.AddLine(id, f.adHoc(id)[0])
				return err
			}, closed),
			waits: true, plain: "credit the surplus", vouched: "credit the surplus", after: "claimed claimed claimed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, _ := f.rejectedWithALine()
				f.let(test.edit, id)
				time.Sleep(quiet)
				if test.waits {
					_, err := f.settler(nil).Release(t.Context(), settlement.Order{InvoiceID: id, NotCharged: neverCharged, DryRun: true})
					f.wantRefused(err, "the delay starts only with --yes")
					if record := f.head(id); record.MissingSince != 0 {
						t.Errorf("a dry run wrote %+v", record)
					}
					_, err = f.assertAndRelease(id)
					f.wantRefused(err, "may not be visible yet: retry in 5m3")
					if record := f.head(id); record.MissingSince == 0 || record.Owner != "" || record.State != billing.Rejected {
						t.Errorf("got %+v", record)
					}
					f.wantStatuses("claimed claimed claimed")
					time.Sleep(quiet)
				}
				release, err := f.release(id)
				if test.plain != "" {
					f.wantRefused(err, test.plain)
					f.wantStatuses("claimed claimed claimed")
					release, err = f.assertAndRelease(id)
				}
				if test.vouched != "" {
					f.wantRefused(err, test.vouched)
					f.wantStatuses(test.after)
					return
				}
				f.wantReleased(release, err, billing.Dispositions(test.dispositions))
				f.wantStatuses(test.after)
				if record := f.head(id); record.State != billing.Rejected || record.Reason != test.reason || record.HoldsClaims() {
					t.Errorf("got %+v", record)
				}
				// The next invoice bills what was released.
				time.Sleep(time.Minute)
				_, next := f.renew("sub")
				f.wantDone(f.settler(nil), next)
				f.wantAllBilled()
			})
		})
	}
}

// TestReleaseOfHeldLines that were reconciled before.
func TestReleaseOfHeldLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.Refuse}))
		id, body := f.three()
		f.wantRetry(f.settler(nil), body)
		f.let(deleted, id)
		f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"})
		time.Sleep(2 * quiet)
		_, err := f.release(id)
		f.wantRefused(err, "calls of sub for EUR 0.10, seats of sub for EUR 0.20")
		release, err := f.assertAndRelease(id)
		f.wantReleased(release, err, "rrr")
		if !strings.Contains(release.Record.Detail, neverCharged) || !release.Record.ClaimsReleased() {
			t.Errorf("got %+v", release.Record)
		}
		f.wantStatuses("unbilled unbilled unbilled")
		release, err = f.release(id)
		if err != nil || release.Claimed {
			t.Errorf("released twice: %+v, %v", release, err)
		}
		_, next := f.renew("sub")
		f.wantDone(f.settler(nil), next)
		f.wantAllBilled()
	})
}

// TestRelease_LinesThatAppearLater: they are billed, and nothing is left to do.
func TestRelease_LinesThatAppearLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.gateway.answer(hiddenList)
		f.meanwhile("close", 1, func() error { return closed(f, id) })
		f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"})
		f.gateway.stop()
		time.Sleep(2 * quiet)
		release, err := f.release(id)
		f.wantReleased(release, err, "sss")
		if record := f.head(id); record.State != billing.Finished || record.Outcome != billing.Closed {
			t.Errorf("got %+v", record)
		}
		f.wantReconciled()
	})
}

// TestRelease_AssertionListsSubscription: an assertion does not release what is on a final invoice that
// the list of the customer does not show. The list of the subscription shows it.
func TestRelease_AssertionListsSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.gateway.answer(canned{to: "/invoices", query: "customer_id", words: "200 with an empty list"})
		f.meanwhile("close", 1, func() error { return closed(f, id) })
		f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"})
		time.Sleep(2 * quiet)
		release, err := f.assertAndRelease(id)
		f.wantReleased(release, err, "sss")
		f.wantReconciled()
	})
}

// TestReleaseAfterARefusedClose bills also the lines of 0: they count as charged from then
// on.
func TestReleaseAfterARefusedClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub", "calls", "10")
		f.write("sub", "free", "0")
		id, body := f.renew("sub")
		f.gateway.answer(canned{to: "/close", words: "400 invalid_request param_wrong_value"})
		f.wantRejected(f.settler(nil), body, billing.CloseRefused)
		f.gateway.stop()
		f.let(closed, id)
		time.Sleep(quiet)
		release, err := f.release(id)
		f.wantReleased(release, err, "ss")
		f.wantStatuses("billed billed")
		f.wantReconciled()
	})
}
