package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// manualEdit changes an invoice as an operator does in Chargebee's UI.
type manualEdit func(f *fixture, invoiceID string) error

func closed(f *fixture, id string) error {
	_, err := f.chargebee.CloseInvoice(id)
	return err
}

func deleted(f *fixture, id string) error { return f.chargebee.DeleteInvoice(id) }

// inTurn makes one edit after the other.
func inTurn(edits ...manualEdit) manualEdit {
	return func(f *fixture, id string) error {
		for _, edit := range edits {
			if err := edit(f, id); err != nil {
				return err
			}
		}
		return nil
	}
}

// let makes an edit while nothing else happens.
func (f *fixture) let(edit manualEdit, invoiceID string) {
	f.t.Helper()
	if err := edit(f, invoiceID); err != nil {
		f.t.Fatal(err)
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
				f := newFixture(t, nil)
				id, body := f.three()
				f.meanwhile(test.operation, test.call, func() error { return test.edit(f, id) })
				f.wantResult(f.settler(nil), body, test.want)
				// A replay charges nothing and has the same result.
				before, again := strings.Count(f.calls(), "add_charge"), test.want
				if again.verdict == "rrr" { // everything was released: a new epoch finds no draft
					again.verdict = ""
				}
				f.wantResult(f.settler(nil), body, again)
				if test.want.verdict != "rrr" && strings.Count(f.calls(), "add_charge") != before {
					t.Error("the replay charged something")
				}
				// The next invoice bills what was released, and nothing else.
				_, next := f.renew("sub")
				f.wantDone(f.settler(nil), next)
				if got := f.statuses(); strings.Contains(got, "unbilled") {
					t.Errorf("after the next invoice events are %s", got)
				}
				f.wantEachBilledOnce()
			})
		})
	}
}

// TestManualEdit_ConsolidatedInvoice: an edit of one subscription's line of a
// consolidated invoice does not touch what is billed for the other.
func TestManualEdit_ConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub_a", "calls", "10")
		f.write("sub_b", "calls", "20")
		id, body := f.renew("sub_a", "sub_b")
		f.meanwhile("add_charge", 2, func() error { return closed(f, id) })
		f.wantResult(f.settler(nil), body, messageResult{billing.InvoiceNotPending, "sr", "billed unbilled"})
		f.wantEachBilledOnce()
		_, next := f.renew("sub_b")
		f.wantDone(f.settler(nil), next)
		f.wantAllBilled()
		if strings.Count(f.calls(), "add_charge") != 3 {
			t.Errorf("called %s", f.calls())
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
			edit: func(f *fixture, id string) error {
				kept = f.adHoc(id)[0]
				return f.chargebee.RemoveLine(id, kept.ID)
			},
			reason: billing.LineRemoved,
			fix: func(f *fixture, id string) error {
				_, err := f.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: kept.Amount, Description: kept.Description})
				return err
			},
		},
		"doubled": {
			edit: func(f *fixture, id string) error {
				line := f.adHoc(id)[0]
				_, err := f.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: "sub", EntityType: chargebee.EntityAdhoc, Amount: line.Amount, Description: line.Description})
				return err
			},
			reason: billing.DuplicateLine,
			fix:    func(f *fixture, id string) error { return f.chargebee.RemoveLine(id, f.adHoc(id)[2].ID) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				f.meanwhile("add_charge", 3, func() error { return test.edit(f, id) })
				settler := f.settler(nil)
				for range 2 { // a replay without a correction is rejected again
					f.wantRejected(settler, body, test.reason)
					f.wantStatuses("claimed claimed claimed")
					if strings.Contains(f.calls(), "close") {
						t.Fatal("it was closed")
					}
				}
				f.let(test.fix, id)
				f.wantClosed(settler, body)
			})
		})
	}
}
