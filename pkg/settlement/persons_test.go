package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

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
				w.wantStatuses(test.statuses)
				// A replay charges nothing and says the same.
				before := strings.Count(w.calls(), "add_charge")
				again := w.deliver(w.settler(nil), body)
				if again.Verdict != outcome.Verdict || again.Reason != outcome.Reason {
					t.Errorf("replayed: %+v", again)
				}
				if test.verdict != "rrr" && strings.Count(w.calls(), "add_charge") != before {
					t.Error("the replay charged something")
				}
				w.wantStatuses(test.statuses)
				// The next invoice bills what was given back, and nothing else.
				_, next := w.renew("sub")
				w.wantDone(w.settler(nil), next)
				if got := w.statuses(); strings.Contains(got, "unbilled") {
					t.Errorf("after the next invoice events are %s", got)
				}
				w.wantEachBilledOnce()
			})
		})
	}
}

// TestPersonAndConsolidatedInvoice: what a person does to one subscription's line of a
// consolidated invoice does not touch what is billed for the other.
func TestPersonAndConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var id string
		w = newWorld(t, at("add_charge", 2, func() {
			if err := closed(w, id); err != nil {
				t.Error(err)
			}
		}))
		w.write("sub_a", "calls", "10")
		w.write("sub_b", "calls", "20")
		var body []byte
		id, body = w.renew("sub_a", "sub_b")
		outcome := w.deliver(w.settler(nil), body)
		if head := w.head(id); outcome.Reason != string(billing.InvoiceNotPending) || head.Verdict != "sr" {
			t.Fatalf("got %+v: %+v", outcome, head)
		}
		w.wantStatuses("billed unbilled")
		w.wantEachBilledOnce()
		_, next := w.renew("sub_b")
		w.wantDone(w.settler(nil), next)
		w.wantAllBilled()
		if strings.Count(w.calls(), "add_charge") != 3 {
			t.Errorf("called %s", w.calls())
		}
	})
}

func closed(w *world, id string) error {
	_, err := w.chargebee.CloseInvoice(id)
	return err
}

func deleted(w *world, id string) error { return w.chargebee.DeleteInvoice(id) }

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
					w.wantRejected(settler, body, test.reason)
					w.wantStatuses("claimed claimed claimed")
					if strings.Contains(w.calls(), "close") {
						t.Fatal("it was closed")
					}
				}
				if err := test.mend(w, id); err != nil {
					t.Fatal(err)
				}
				w.wantClosed(settler, body)
			})
		})
	}
}
