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
)

// TestCatalogDoubt loses the answer of a call that adds a line, in every way, and lets
// the consumer be away for a time. Meanwhile the setting changed, too: the plan keeps
// what it was drawn with, or the key would come with another call.
func TestCatalogDoubt(t *testing.T) {
	t.Parallel()
	for name, fault := range lostAnswers {
		for _, away := range []time.Duration{0, 20 * time.Minute, time.Hour} {
			for _, line := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s, line %d, away for %s", name, line, away), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f := newCatalogFixture(t, once("add_charge_item", line, fault))
						_, body := f.three()
						f.wantRetry(f.settler(nil), body)
						time.Sleep(away)
						changed := f.settler(nil)
						changed.Settings.Catalog = billing.Catalog{"calls": {ItemPriceID: "storage-EUR"}, "storage": {Tax: billing.Tax{HSNCode: "1"}}}
						f.wantClosed(changed, body)
						for _, call := range f.chargebee.Calls() {
							if call.Status == http.StatusUnprocessableEntity {
								t.Error("a key came with two different calls")
							}
						}
					})
				})
			}
		}
	}
}

// TestSession_EditedCatalogLineInDoubt: while a line was in doubt, a manual edit left one that may be
// ours. It is not charged again. Once it is corrected, a replay succeeds.
func TestSession_EditedCatalogLineInDoubt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  sandbox.Kind // of the call that adds the second line of an item price
		edit   manualEdit
		reason billing.Reason
		fix    manualEdit
	}{
		"another amount": {
			sandbox.LoseReply, editsItem(func(line *chargebee.LineItem) { line.Amount-- }),
			billing.AmbiguousLine, editsItem(func(line *chargebee.LineItem) { line.Amount++ }),
		},
		"another period": {
			sandbox.LoseReply, editsItem(func(line *chargebee.LineItem) { line.DateTo += 86400 }),
			billing.AmbiguousLine, editsItem(func(line *chargebee.LineItem) { line.DateTo -= 86400 }),
		},
		"not there, one by hand": {
			sandbox.Refuse, addsByHand,
			billing.AmbiguousLine, removesItem(1),
		},
		"twice": {
			sandbox.LoseReply, repeatsItem(1, func(*chargebee.LineItem) {}),
			billing.DuplicateLine, removesItem(2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newCatalogFixture(t, once("add_charge_item", 2, sandbox.Fault{Kind: test.fault}))
				id, body := f.three()
				settler := f.settler(nil)
				f.wantRetry(settler, body)
				f.let(test.edit, id)
				time.Sleep(time.Hour)
				for range 2 { // a replay without a correction is rejected again
					f.wantRejected(settler, body, test.reason)
				}
				f.wantStatuses("claimed claimed claimed")
				f.let(test.fix, id)
				f.wantClosed(settler, body)
			})
		})
	}
}

// addsByHand charges storage manually, too.
func addsByHand(f *fixture, id string) error {
	_, err := f.chargebee.AddLine(id, chargebee.LineItem{
		SubscriptionID: "sub", EntityType: chargebee.EntityChargeItemPrice, EntityID: "storage-EUR", Description: "Storage, by hand", Amount: 99,
	})
	return err
}

// TestTextOfACatalogLine that was changed manually while it was in doubt: it was none of
// ours, and the line is found.
func TestTextOfACatalogLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newCatalogFixture(t, once("add_charge_item", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		id, body := f.three()
		settler := f.settler(nil)
		f.wantRetry(settler, body)
		f.let(editsItem(func(line *chargebee.LineItem) { line.Description = "as agreed" }), id)
		time.Sleep(time.Hour)
		f.wantClosed(settler, body)
	})
}

// TestRoundedDates: Chargebee may show the dates of a line rounded to the day, in any time
// zone. The line is recognised, also after its reply was lost.
func TestRoundedDates(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{0, -11 * time.Hour, 14 * time.Hour} {
		for name, faults := range map[string]sandbox.Faults{
			"undisturbed": nil,
			"lost reply":  once("add_charge_item", 1, sandbox.Fault{Kind: sandbox.LoseReply}),
		} {
			t.Run(fmt.Sprintf("%s, %s", offset, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newCatalogFixtureOf(t, chargebee.Config{Faults: faults, RoundDates: true, RoundDatesOffset: offset})
					_, body := f.three()
					settler := f.settler(nil)
					outcome := f.handle(settler, body)
					if outcome.Action == queue.Retry {
						time.Sleep(time.Hour) // the key is forgotten: the line is looked for
					}
					f.wantClosed(settler, body)
					if got := strings.Count(f.calls(), "add_charge_item"); got != 2 {
						t.Errorf("called %s", f.calls())
					}
				})
			})
		}
	}
}
