package settlement_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
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
						w := newCatalogWorld(t, once("add_charge_item", line, fault))
						_, body := w.three()
						w.wantRetry(w.settler(nil), body)
						time.Sleep(away)
						changed := w.settler(nil)
						changed.Settings.Catalog = billing.Catalog{"calls": {ItemPriceID: "storage-EUR"}, "storage": {Tax: billing.Tax{HSNCode: "1"}}}
						w.wantClosed(changed, body)
						for _, call := range w.chargebee.Calls() {
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

// TestLookalikeOfACatalogLine: while a line was in doubt, a person left one that may be
// ours. It is not charged again. Once it is mended, a replay ends well.
func TestLookalikeOfACatalogLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  sandbox.Kind // of the call that adds the second line of an item price
		person person
		reason billing.Reason
		mend   person
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
				w := newCatalogWorld(t, once("add_charge_item", 2, sandbox.Fault{Kind: test.fault}))
				id, body := w.three()
				settler := w.settler(nil)
				w.wantRetry(settler, body)
				w.let(test.person, id)
				time.Sleep(time.Hour)
				for range 2 { // a replay without mending is rejected again
					w.wantRejected(settler, body, test.reason)
				}
				w.wantStatuses("claimed claimed claimed")
				w.let(test.mend, id)
				w.wantClosed(settler, body)
			})
		})
	}
}

// addsByHand is a person who charges storage, too.
func addsByHand(w *world, id string) error {
	_, err := w.chargebee.AddLine(id, chargebee.LineItem{
		SubscriptionID: "sub", EntityType: chargebee.EntityChargeItemPrice, EntityID: "storage-EUR", Description: "Storage, by hand", Amount: 99,
	})
	return err
}

// TestTextOfACatalogLine that a person changed while it was in doubt: it was none of
// ours, and the line is found.
func TestTextOfACatalogLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, once("add_charge_item", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		id, body := w.three()
		settler := w.settler(nil)
		w.wantRetry(settler, body)
		w.let(editsItem(func(line *chargebee.LineItem) { line.Description = "as agreed" }), id)
		time.Sleep(time.Hour)
		w.wantClosed(settler, body)
	})
}

// TestRoundedDates: should Chargebee show other dates than were sent, no line is charged
// twice and no invoice is closed; a person is told.
func TestRoundedDates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, nil)
		id, body := w.three()
		settler := w.settler(onTheWayTo("chargebee", roundDates))
		for range 3 {
			outcome := w.wantRejected(settler, body, billing.LineRemoved)
			if !strings.Contains(outcome.Detail, "of item price calls-EUR for sub from ") {
				t.Errorf("the detail %q does not name the line", outcome.Detail)
			}
		}
		if got := w.calls(); strings.Count(got, "add_charge") != 1 || strings.Contains(got, "close") {
			t.Errorf("called %s", got)
		}
		if lines := w.items(id); len(lines) != 1 {
			t.Errorf("lines %+v", lines)
		}
	})
}

// roundDates rounds the first date of a line of an item price down to the day.
func roundDates(request *http.Request) error {
	if !strings.HasSuffix(request.URL.Path, "/add_charge_item") {
		return nil
	}
	form, err := url.ParseQuery(bodyOf(request))
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(form.Get("item_price[date_from]"), 10, 64)
	if err != nil {
		return err
	}
	form.Set("item_price[date_from]", strconv.FormatInt(from-from%86400, 10))
	rounded := form.Encode()
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader(rounded)), int64(len(rounded))
	return nil
}
