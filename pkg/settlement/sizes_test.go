package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// unraced skips a test that is about sizes, or about very many moments, when the race detector
// makes it ten times slower. make test runs those without it.
func unraced(t *testing.T) {
	t.Helper()
	if raced || testing.Short() {
		t.Skip("takes long with the race detector: make test runs it without")
	}
}

// TestManyPages settles invoices whose pages are as big as they may be. The end of
// their epochs fits one step, or just does not.
func TestManyPages(t *testing.T) {
	unraced(t)
	t.Parallel()
	for _, pages := range []int{1, 3, 4, 13, 27} {
		t.Run(fmt.Sprintf("%d pages", pages), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id := strings.Repeat("\x01", 1000) // encoded it has 6,000 bytes: 49 of them fill a page
				for i := range 49*pages - 9 {
					f.write("sub", "calls", "1.5", fmt.Sprintf("event_id=%s%04d", id, i))
				}
				draft, body := f.renew("sub")
				f.wantSettled(draft, body, pages)
			})
		})
	}
}

// wantSettled handles the message once: it closes an invoice with one line, from a
// number of pages.
func (f *fixture) wantSettled(id string, body []byte, pages int) {
	f.t.Helper()
	f.wantDoneAtOnce(f.settler(nil), body)
	if record := f.head(id); record.Pages != pages || record.Outcome != billing.Closed {
		f.t.Errorf("got %+v", record)
	}
	f.wantCalls("retrieve add_charge close")
	for _, item := range f.tables.Items("ledger") {
		if _, ok := item["expires_at"]; !ok {
			f.t.Errorf("%v has no time to live", item["invoice_id"])
		}
	}
	f.wantReconciled()
}

// TestManyLines charges the most lines that an invoice may have, on a site that shows
// lines in pages, and many on one that shows all of them every time.
func TestManyLines(t *testing.T) {
	unraced(t)
	t.Parallel()
	for lines, whole := range map[int]bool{billing.MaxLines - 1: false, 200: true} { // the invoice has one of its own
		t.Run(fmt.Sprintf("%d lines, whole invoices: %t", lines, whole), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{WholeInvoices: whole}, dynamodb.Config{})
				for i := range lines {
					f.write("sub", fmt.Sprintf("code_%03d", i), "12", "description="+strings.Repeat("ü", 300))
				}
				id, body := f.renew("sub")
				f.wantDoneAtOnce(f.settler(nil), body)
				if record := f.head(id); record.Outcome != billing.Closed {
					t.Errorf("got %+v", record)
				}
				if calls := strings.Count(f.calls(), "add_charge"); calls != lines {
					t.Errorf("%d lines were sent", calls)
				}
				f.wantReconciled()
			})
		})
	}
}

// TestManySubscriptions of one consolidated invoice.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		var subscriptions []string
		for i := range 60 {
			subscription := fmt.Sprintf("sub_%02d", i)
			subscriptions = append(subscriptions, subscription)
			for range 3 {
				f.write(subscription, "calls", "1.5")
			}
		}
		_, body := f.renew(subscriptions...)
		f.wantDoneAtOnce(f.settler(nil), body)
		if got := len(f.chargebee.Calls()); got != 61+1+2+2 { // answers show 100 of 120 lines: all are read, on two pages, before closing and after
			t.Errorf("%d calls", got)
		}
		f.wantReconciled()
	})
}

// TestBigEvents fill a transaction before they fill a page.
func TestBigEvents(t *testing.T) {
	unraced(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for range 30 {
			f.write("sub", "calls", "1", "payload="+strings.Repeat("x", 349<<10))
		}
		_, body := f.renew("sub")
		f.wantDoneAtOnce(f.settler(nil), body)
		f.wantReconciled()
	})
}

// TestTextsThatGrow when they are encoded: a page of them still fits an item, and so
// does a part of the plan. What ids and codes are made of is up to the producers.
func TestTextsThatGrow(t *testing.T) {
	unraced(t)
	t.Parallel()
	for name, character := range map[string]string{
		"HTML": "<", "quotes": `"`, "backslashes": `\`, "control characters": "\x01", "line separators": "\u2028",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				long, code := strings.Repeat(character, 1000/len(character)), strings.Repeat(character, billing.MaxChargeCode-2)
				for i := range 150 {
					f.write("sub", fmt.Sprintf("%s%02d", code, i%50), "1", fmt.Sprintf("event_id=%s%04d", long, i), "description="+long)
				}
				_, body := f.renew("sub")
				f.wantDoneAtOnce(f.settler(nil), body)
				f.wantReconciled()
			})
		})
	}
}
