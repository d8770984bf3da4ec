package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// editsItem changes the last line of an item price.
func editsItem(edit func(*chargebee.LineItem)) manualEdit {
	return func(f *fixture, id string) error {
		lines := f.items(id)
		return f.chargebee.EditLine(id, lines[len(lines)-1].ID, edit)
	}
}

// removesItem removes a line of an item price.
func removesItem(i int) manualEdit {
	return func(f *fixture, id string) error { return f.chargebee.RemoveLine(id, f.items(id)[i].ID) }
}

// repeatsItem adds a line of an item price again, and changes the second.
func repeatsItem(i int, edit func(*chargebee.LineItem)) manualEdit {
	return func(f *fixture, id string) error {
		line := f.items(id)[i]
		edit(&line)
		_, err := f.chargebee.AddLine(id, line)
		return err
	}
}

// TestManualEdit_SpoilsCatalogLine that was added, before the last call to charge: the
// invoice is not closed, and its events are held.
func TestManualEdit_SpoilsCatalogLine(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]manualEdit{
		"another amount": editsItem(func(line *chargebee.LineItem) { line.Amount-- }),
		"removed":        removesItem(0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newCatalogFixture(t, nil)
				id, body := f.three()
				f.meanwhile("add_charge_item", 2, func() error { return edit(f, id) })
				f.wantRejected(f.settler(nil), body, billing.LineRemoved)
				if strings.Contains(f.calls(), "close") {
					t.Errorf("called %s", f.calls())
				}
				f.wantStatuses("claimed claimed claimed")
			})
		})
	}
}

// TestManualEdit_AddsCatalogLine of an item price that we charge, too: both are on the
// invoice.
func TestManualEdit_AddsCatalogLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newCatalogFixture(t, nil)
		id, body := f.three()
		hers := repeatsItem(0, func(line *chargebee.LineItem) { line.Amount, line.DateFrom = 99, line.DateFrom-86400 })
		f.meanwhile("add_charge_item", 2, func() error { return hers(f, id) })
		f.wantDone(f.settler(nil), body)
		f.wantStatuses("billed billed billed")
		var amounts []int64
		for _, line := range f.items(f.head(id).FinalInvoiceID) {
			amounts = append(amounts, line.Amount)
		}
		if got := fmt.Sprint(amounts); got != "[10 99 40]" {
			t.Errorf("lines of %s", got)
		}
	})
}

// TestManualEdit_EndsCatalogDraft in the middle of charging. The plan's line, which was on it
// before, leads to the final invoice; there the fingerprints decide.
func TestManualEdit_EndsCatalogDraft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // before whose
		call      int    // n-th call
		edit      manualEdit
		want      messageResult
	}{
		"closed before the first line": {
			"add_charge_item", 1, closed,
			messageResult{billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		},
		"closed before the second": {
			"add_charge", 1, closed,
			messageResult{billing.InvoiceNotPending, "srr", "billed unbilled unbilled"},
		},
		"closed before the third": {
			"add_charge_item", 2, closed,
			messageResult{billing.InvoiceNotPending, "ssr", "billed billed unbilled"},
		},
		"closed before the close": {
			"close", 1, closed,
			messageResult{"", "sss", "billed billed billed"},
		},
		"deleted before the second": {
			"add_charge", 1, deleted,
			messageResult{billing.SuccessorUnknown, "hrr", "claimed unbilled unbilled"},
		},
		"changed and closed": {
			"close", 1, inTurn(editsItem(func(line *chargebee.LineItem) { line.Amount++ }), closed),
			messageResult{billing.LineRemoved, "ssh", "billed billed claimed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newCatalogFixture(t, nil)
				id, body := f.three()
				f.meanwhile(test.operation, test.call, func() error { return test.edit(f, id) })
				f.wantResult(f.settler(nil), body, test.want)
			})
		})
	}
}

// TestSession_EqualInvoiceAfterDeletedDraft is an invoice that bears the very fingerprint of the draft's
// line: two events of one amount in one second, written before and after the draft was
// claimed. If a fingerprint led to the final invoice, the second invoice would be taken for it. The
// first event would become billed on it and never be charged: the second invoice
// charges the second event. So it stays claimed, and the message is rejected.
func TestSession_EqualInvoiceAfterDeletedDraft(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]struct {
		operation string
		fault     sandbox.Kind
	}{
		"in doubt": {"add_charge_item", sandbox.LoseReply},
		"added":    {"close", sandbox.Refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newCatalogFixture(t, once(lost.operation, 1, sandbox.Fault{Kind: lost.fault}))
				second := fmt.Sprint("occurred_at=", time.Now().Unix()-3600)
				f.write("sub", "calls", "10", second)
				draft, body := f.renew("sub")
				f.wantRetry(f.settler(nil), body)

				f.write("sub", "calls", "10", second)
				second, secondBody := f.renew("sub")
				f.let(deleted, draft)
				f.wantDone(f.settler(nil), secondBody)
				one, other := f.items(draft)[0], f.items(f.head(second).FinalInvoiceID)[0]
				if one.ID = other.ID; one != other {
					t.Fatalf("no twins: %+v and %+v", one, other)
				}

				f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "h", "claimed billed"})
				if record := f.head(draft); record.FinalInvoiceID != "" {
					t.Errorf("got %+v", record)
				}
			})
		})
	}
}

// TestReconcile_FinalInvoiceNotFound of a draft that had no line before and got lines of item
// prices alone, but the answer to the close: it is repeated under its key while that is known.
func TestReconcile_FinalInvoiceNotFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes [2]string
		fault sandbox.Kind // of the call that closes
		away  time.Duration
		want  messageResult
	}{
		"the answer names it":        {[2]string{"calls", "storage"}, sandbox.None, 0, messageResult{"", "", "billed billed"}},
		"the answer is lost":         {[2]string{"calls", "storage"}, sandbox.LoseReply, 0, messageResult{"", "", "billed billed"}},
		"lost, the key is forgotten": {[2]string{"calls", "storage"}, sandbox.LoseReply, time.Hour, messageResult{billing.SuccessorUnknown, "hh", "claimed claimed"}},
		"a marker leads to it":       {[2]string{"calls", "seats"}, sandbox.LoseReply, time.Hour, messageResult{"", "ss", "billed billed"}},
		"lost before it was closed":  {[2]string{"calls", "storage"}, sandbox.Refuse, 0, messageResult{"", "", "billed billed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newCatalogFixture(t, once("close", 1, sandbox.Fault{Kind: test.fault}))
				for _, code := range test.codes {
					f.write("sub", code, "10")
				}
				_, body := f.renewWithoutPlan("sub")
				if test.away > 0 {
					f.wantRetry(f.settler(nil), body)
					time.Sleep(test.away)
				}
				f.wantResult(f.settler(nil), body, test.want)
			})
		})
	}
}
