package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// manualEdit changes an invoice as an operator does in Chargebee's UI.
type manualEdit func(w *world, invoiceID string) error

func closed(w *world, id string) error {
	_, err := w.chargebee.CloseInvoice(id)
	return err
}

func deleted(w *world, id string) error { return w.chargebee.DeleteInvoice(id) }

// inTurn makes one edit after the other.
func inTurn(edits ...manualEdit) manualEdit {
	return func(w *world, id string) error {
		for _, edit := range edits {
			if err := edit(w, id); err != nil {
				return err
			}
		}
		return nil
	}
}

// let makes an edit while nothing else happens.
func (w *world) let(edit manualEdit, invoiceID string) {
	w.t.Helper()
	if err := edit(w, invoiceID); err != nil {
		w.t.Fatal(err)
	}
}

// TestManualEdit_EndsDraft in the middle of charging, in every way.
func TestManualEdit_EndsDraft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // before whose
		call      int    // n-th call
		edit      manualEdit
		want      messageResult
	}{
		"closed before the first line": {
			"add_charge", 1, closed,
			messageResult{billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		},
		"closed before the second": {
			"add_charge", 2, closed,
			messageResult{billing.InvoiceNotPending, "srr", "billed unbilled unbilled"},
		},
		"closed before the close": {
			"close", 1, closed,
			messageResult{"", "sss", "billed billed billed"},
		},
		"deleted before the first": {
			"add_charge", 1, deleted,
			messageResult{billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		},
		"deleted before the third": {
			"add_charge", 3, deleted,
			messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"},
		},
		"deleted before the close": {
			"close", 1, deleted,
			messageResult{billing.SuccessorUnknown, "hhh", "claimed claimed claimed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				w.meanwhile(test.operation, test.call, func() error { return test.edit(w, id) })
				w.wantResult(w.settler(nil), body, test.want)
				// A replay charges nothing and has the same result.
				before, again := strings.Count(w.calls(), "add_charge"), test.want
				if again.verdict == "rrr" { // everything was released: a new epoch finds no draft
					again.verdict = ""
				}
				w.wantResult(w.settler(nil), body, again)
				if test.want.verdict != "rrr" && strings.Count(w.calls(), "add_charge") != before {
					t.Error("the replay charged something")
				}
				// The next invoice bills what was released, and nothing else.
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

// TestManualEdit_ConsolidatedInvoice: an edit of one subscription's line of a
// consolidated invoice does not touch what is billed for the other.
func TestManualEdit_ConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.write("sub_a", "calls", "10")
		w.write("sub_b", "calls", "20")
		id, body := w.renew("sub_a", "sub_b")
		w.meanwhile("add_charge", 2, func() error { return closed(w, id) })
		w.wantResult(w.settler(nil), body, messageResult{billing.InvoiceNotPending, "sr", "billed unbilled"})
		w.wantEachBilledOnce()
		_, next := w.renew("sub_b")
		w.wantDone(w.settler(nil), next)
		w.wantAllBilled()
		if strings.Count(w.calls(), "add_charge") != 3 {
			t.Errorf("called %s", w.calls())
		}
	})
}

// TestManualEdit_Lines that were added, and corrects them before the replay.
func TestManualEdit_Lines(t *testing.T) {
	t.Parallel()
	var kept chargebee.LineItem
	for name, test := range map[string]struct {
		edit   manualEdit
		reason billing.Reason
		fix    manualEdit
	}{
		"removed": {
			edit: func(w *world, id string) error {
				kept = w.adHoc(id)[0]
				return w.chargebee.RemoveLine(id, kept.ID)
			},
			reason: billing.LineRemoved,
			fix: func(w *world, id string) error {
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
			fix:    func(w *world, id string) error { return w.chargebee.RemoveLine(id, w.adHoc(id)[2].ID) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				w.meanwhile("add_charge", 3, func() error { return test.edit(w, id) })
				settler := w.settler(nil)
				for range 2 { // a replay without a correction is rejected again
					w.wantRejected(settler, body, test.reason)
					w.wantStatuses("claimed claimed claimed")
					if strings.Contains(w.calls(), "close") {
						t.Fatal("it was closed")
					}
				}
				w.let(test.fix, id)
				w.wantClosed(settler, body)
			})
		})
	}
}
