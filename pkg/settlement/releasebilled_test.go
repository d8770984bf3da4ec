package settlement_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// issued applies an edit to the invoice that a draft became.
func issued(edit func(site *chargebee.Service, invoiceID string) error) manualEdit {
	return func(f *fixture, draft string) error {
		for _, invoice := range f.chargebee.Invoices() {
			if invoice.DraftID == draft {
				return edit(f.chargebee, invoice.ID)
			}
		}
		return fmt.Errorf("%s is not closed", draft)
	}
}

var (
	voided        = issued((*chargebee.Service).VoidInvoice)
	deletedIssued = issued((*chargebee.Service).DeleteInvoice)
)

const voidedByMistake = "voided by mistake"

// releaseBilled releases the events of a finished invoice, with a reason, and with an assertion or not.
func (f *fixture) releaseBilled(id, assertion string) (settlement.Release, error) {
	return f.settler(nil).Release(f.t.Context(), settlement.Order{InvoiceID: id, Reason: voidedByMistake, NotCharged: assertion})
}

// TestRelease_Billed: the events of a finished invoice are released once nothing charges them anymore,
// and once only. The next invoice bills them.
func TestRelease_Billed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leftOpen bool
		catalog  bool
		codes    string // of the events; by default all three
		edit     manualEdit
		plain    string // the error without an assertion; empty: none
		asserted string // with one
		waits    bool   // a draft that is missing may have been closed just before
	}{
		"issued":                         {edit: inTurn(), plain: "void or delete it first", asserted: "void or delete it first"},
		"voided":                         {edit: voided},
		"deleted":                        {edit: deletedIssued},
		"voided, with item prices":       {edit: voided, catalog: true},
		"left open":                      {leftOpen: true, edit: inTurn(), plain: "is pending at Chargebee", asserted: "is pending at Chargebee"},
		"left open, deleted":             {leftOpen: true, edit: deleted, waits: true},
		"left open, closed":              {leftOpen: true, edit: closed, plain: "are on 1, which is payment_due", asserted: "are on 1, which is payment_due"},
		"left open, closed and voided":   {leftOpen: true, edit: inTurn(closed, voided), plain: "--assert-not-charged", waits: true},
		"left open, closed and deleted":  {leftOpen: true, edit: inTurn(closed, deletedIssued), plain: "--assert-not-charged", waits: true},
		"left open, one item price":      {leftOpen: true, catalog: true, codes: "calls", edit: deleted, plain: "--assert-not-charged", waits: true},
		"voided, its lines on a new one": {edit: inTurn(voided, copied), plain: "are on 2, which is payment_due", asserted: "are on 2, which is payment_due"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				if test.catalog {
					f = newCatalogFixture(t, nil)
				}
				f.settings.Close = !test.leftOpen
				codes := strings.Fields(cmp.Or(test.codes, "calls seats storage"))
				for i, code := range codes {
					f.write("sub", code, strconv.Itoa(10*(i+1)))
				}
				all := func(status string) string { return strings.Join(slices.Repeat([]string{status}, len(codes)), " ") }
				id, body := f.renew("sub")
				f.wantDone(f.settler(nil), body)
				time.Sleep(time.Hour)
				f.let(test.edit, id)

				release := func(assertion, refusal string) bool {
					t.Helper()
					if test.waits && refusal == "" {
						_, err := f.releaseBilled(id, assertion)
						f.wantRefused(err, "its final invoice may not be visible yet: retry in 5m3")
						time.Sleep(quiet)
					}
					got, err := f.releaseBilled(id, assertion)
					if refusal != "" {
						f.wantRefused(err, refusal)
						f.wantStatuses(all(billing.EventBilled))
						return false
					}
					f.wantReleased(got, err, billing.RepeatDisposition(billing.NotCharged, len(codes)))
					return true
				}
				if !release("", test.plain) && !release(neverCharged, test.asserted) {
					return
				}
				f.wantStatuses(all(billing.EventUnbilled))
				record := f.head(id)
				if record.State != billing.Finished || record.Outcome != billing.Released || record.ExpiresAt == 0 || !strings.Contains(record.Detail, voidedByMistake) {
					t.Errorf("got %+v", record)
				}
				again, err := f.releaseBilled(id, "")
				if err != nil || again.Claimed {
					t.Errorf("released twice: %+v, %v", again, err)
				}
				f.wantDone(f.settler(nil), body) // a webhook that is repeated charges nothing
				time.Sleep(time.Minute)
				f.settings.Close = true
				_, next := f.renew("sub")
				f.wantClosed(f.settler(nil), next)
				f.wantAllBilled()
				if release, err := f.releaseBilled(id, ""); err != nil || release.Claimed {
					t.Errorf("released once more: %+v, %v", release, err)
				}
				f.wantAllBilled()
			})
		})
	}
}

// copied makes an issued invoice with the lines of the voided one.
func copied(f *fixture, id string) error {
	lines := f.finalOf(id).LineItems
	draft, _ := f.renew("sub")
	for _, line := range lines {
		line.ID = ""
		if _, err := f.chargebee.AddLine(draft, line); err != nil {
			return err
		}
	}
	return closed(f, draft)
}

func (f *fixture) finalOf(draft string) chargebee.Invoice {
	f.t.Helper()
	for _, invoice := range f.chargebee.Invoices() {
		if invoice.DraftID == draft {
			return invoice
		}
	}
	f.t.Fatalf("%s is not closed", draft)
	return chargebee.Invoice{}
}

// TestRelease_BilledDryRun writes nothing, and returns what would be done.
func TestRelease_BilledDryRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.wantDone(f.settler(nil), body)
		f.let(voided, id)
		before := f.tablesAs()
		release, err := f.settler(nil).Release(t.Context(), settlement.Order{InvoiceID: id, Reason: voidedByMistake, DryRun: true})
		if err != nil || release.Dispositions != "rrr" || f.tablesAs() != before {
			t.Errorf("got %+v, %v; it wrote: %t", release, err, f.tablesAs() != before)
		}
	})
}

// TestRelease_RegeneratedInvoice bills the events that were released from the voided one.
func TestRelease_RegeneratedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.wantDone(f.settler(nil), body)
		f.let(voided, id)
		release, err := f.releaseBilled(id, "")
		f.wantReleased(release, err, "rrr")
		time.Sleep(time.Minute)
		_, webhook, err := f.chargebee.RegenerateInvoice(f.finalOf(id).ID)
		if err != nil {
			t.Fatal(err)
		}
		f.wantClosed(f.settler(nil), f.chargebee.Payload(webhook.ID))
		f.wantAllBilled()
	})
}

// TestRelease_BilledCrash ends the release of billed events at every call, before and after its effect, and
// runs it again, or a repeated webhook comes first. Events that the next invoice billed stay billed.
func TestRelease_BilledCrash(t *testing.T) {
	unraced(t)
	t.Parallel()
	for _, after := range []bool{false, true} {
		for _, repeated := range []bool{false, true} {
			t.Run(fmt.Sprintf("after the effect: %t, a webhook comes first: %t", after, repeated), func(t *testing.T) {
				t.Parallel()
				calls := atEachCall(t, "crashed", func(t *testing.T, call int) (reached bool) {
					f := newFixture(t, nil)
					for range 150 { // two pages
						f.write("sub", "calls", "0.25")
					}
					id, body := f.renew("sub")
					f.wantDone(f.settler(nil), body)
					f.let(voided, id)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					crash := &crash{at: call, after: after}
					_, err := f.settler(crash.wrap).Release(ctx, settlement.Order{InvoiceID: id, Reason: voidedByMistake})
					reached = crash.calls >= crash.at
					if err != nil && !reached {
						t.Fatal(err)
					}
					time.Sleep(2 * settings.Lease)
					if repeated {
						f.wantDone(f.settler(nil), body)
					}
					if _, err := f.releaseBilled(id, ""); err != nil {
						t.Fatal(err)
					}
					if got := f.allStatuses(); len(got) != 1 || got[0] != billing.EventUnbilled {
						t.Errorf("events are %s", got)
					}
					time.Sleep(time.Minute)
					_, next := f.renew("sub")
					f.wantDone(f.settler(nil), next)
					f.wantAllBilled()
					return reached
				})
				if calls < 6 {
					t.Errorf("only %d calls were made", calls)
				}
			})
		}
	}
}
