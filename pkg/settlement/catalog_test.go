package settlement_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// catalog sells calls and storage as item prices; seats have tax fields.
func catalog() billing.Catalog {
	return billing.Catalog{
		"calls":   {ItemPriceID: "calls-EUR"},
		"seats":   {Tax: billing.Tax{TaxJarProductCode: "31000", AvalaraSaleType: "retail", AvalaraTransactionType: new(int32)}},
		"storage": {ItemPriceID: "storage-EUR"},
	}
}

// newCatalogWorld is a world in which two of the three codes are sold by the catalog.
func newCatalogWorld(t *testing.T, faults sandbox.Faults) *world {
	t.Helper()
	w := newWorld(t, faults)
	w.settings.Catalog = catalog()
	w.sell(chargebee.ItemPrice{ID: "calls-EUR", Description: "API calls", UnitAmount: 7})
	w.sell(chargebee.ItemPrice{ID: "storage-EUR", Description: "Storage", PricingModel: chargebee.PerUnit, UnitAmount: 7})
	return w
}

func (w *world) sell(price chargebee.ItemPrice) {
	w.t.Helper()
	if price.CurrencyCode == "" {
		price.CurrencyCode = "EUR"
	}
	if err := w.chargebee.AddItemPrice(price); err != nil {
		w.t.Fatal(err)
	}
}

// items are the lines of item prices on an invoice.
func (w *world) items(id string) []chargebee.LineItem {
	invoice, _ := w.chargebee.Invoice(id)
	var lines []chargebee.LineItem
	for _, line := range invoice.LineItems {
		if line.EntityType == chargebee.EntityChargeItemPrice {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestCatalogUndisturbed costs one call per line and one to close, on an invoice of one
// subscription and on one of two.
func TestCatalogUndisturbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, nil)
		first := time.Now().Unix() - 7200
		w.write("sub", "calls", "10.25", "description=Text", "quantity=2", fmt.Sprint("occurred_at=", first))
		w.write("sub", "calls", "20.25", "description=Text", "quantity=3", fmt.Sprint("occurred_at=", first+60))
		w.write("sub", "seats", "40")
		w.write("sub", "storage", "0.25") // comes to 0: not sent
		id, body := w.renew("sub")
		if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v: %+v", outcome, w.last())
		}
		if got := w.calls(); got != "add_charge_item add_charge close" {
			t.Errorf("called %s", got)
		}
		w.wantEqualBooks()
		head := w.head(id)
		if head.Outcome != billing.Closed || head.Version != billing.CatalogHeadVersion {
			t.Errorf("got %+v", head)
		}
		line := w.items(head.FinalInvoiceID)[0]
		if line.EntityID != "calls-EUR" || line.Description != "API calls" || line.Amount != 30 || line.UnitAmount != 30 || line.Quantity != 1 ||
			line.DateFrom != first || line.DateTo != first+60 || line.SubscriptionID != "sub" {
			t.Errorf("got %+v", line)
		}
		if got, want := w.adHoc(head.FinalInvoiceID)[0].Tax, (chargebee.Tax{TaxJarProductCode: "31000", AvalaraSaleType: "retail", AvalaraTransactionType: "0"}); got != want {
			t.Errorf("the tax provider was told %+v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, nil)
		for _, subscription := range []string{"one", "two"} {
			w.write(subscription, "calls", "10")
			w.write(subscription, "storage", "20")
		}
		_, body := w.renew("one", "two")
		if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v: %+v", outcome, w.last())
		}
		if got := w.calls(); got != "add_charge_item add_charge_item add_charge_item add_charge_item close" {
			t.Errorf("called %s", got)
		}
		w.wantEqualBooks()
	})
}

// TestPlainPlansKeepTheirVersion, so that a program that knows no catalog can go on with
// them; also where a plan of the catalog was given back before.
func TestPlainPlansKeepTheirVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, nil)
		w.write("sub", "calls", "10")
		id, body := w.renew("sub")
		w.gateway.answer(canned{to: "/add_charge_item", words: "400 invalid_request param_wrong_value"})
		if outcome := w.deliver(w.settler(nil), body); outcome.Reason != string(billing.ChargebeeRefused) {
			t.Fatalf("got %+v", outcome)
		}
		if head := w.head(id); head.Version != billing.CatalogHeadVersion {
			t.Errorf("got %+v", head)
		}
		w.gateway.stop()
		w.settings.Catalog = nil
		if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
			t.Fatalf("got %+v", outcome)
		}
		if head := w.head(id); head.Version != billing.HeadVersion {
			t.Errorf("got %+v", head)
		}
		w.wantEqualBooks()
	})
}

// TestCatalogDoubt loses the answer of a call that adds a line, in every way, and lets
// the consumer be away for a time. Meanwhile the setting changed, too: the plan keeps
// what it was drawn with, or the key would come with another call.
func TestCatalogDoubt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"effect at once": {Kind: sandbox.LoseReply},
		"half an answer": {Kind: sandbox.CutBody},
		"a late effect":  {Kind: sandbox.ApplyLate, Late: 4 * time.Minute},
		"no effect":      {Kind: sandbox.Refuse},
	} {
		for _, away := range []time.Duration{0, 20 * time.Minute, time.Hour} {
			for _, line := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s, line %d, away for %s", name, line, away), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newCatalogWorld(t, once("add_charge_item", line, fault))
						_, body := w.three()
						outcome := w.handle(w.settler(nil), body)
						time.Sleep(away)
						w.settings.Catalog = billing.Catalog{"calls": {ItemPriceID: "storage-EUR"}, "storage": {Tax: billing.Tax{HSNCode: "1"}}}
						if outcome.Verdict == queue.Retry {
							outcome = w.deliver(w.settler(nil), body)
						}
						if outcome.Verdict != queue.Done {
							t.Fatalf("got %+v", outcome)
						}
						for _, call := range w.chargebee.Calls() {
							if call.Status == http.StatusUnprocessableEntity {
								t.Error("a key came with two different calls")
							}
						}
						w.settings.Catalog = catalog() // what the plan was drawn with
						w.wantEqualBooks()
					})
				})
			}
		}
	}
}

// TestCatalogLineChanged while it was in doubt, in every way: it is not charged again.
// Once a person mended it, a replay ends well.
func TestCatalogLineChanged(t *testing.T) {
	t.Parallel()
	byHand := chargebee.LineItem{
		SubscriptionID: "sub", EntityType: chargebee.EntityChargeItemPrice, EntityID: "storage-EUR", Description: "Storage, by hand", Amount: 99,
	}
	for name, test := range map[string]struct {
		fault  sandbox.Kind
		person func(w *world, id string) error
		reason billing.Reason
		mend   func(w *world, id string) error
	}{
		"another amount": {
			sandbox.LoseReply,
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.Amount-- })
			},
			billing.AmbiguousLine,
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.Amount++ })
			},
		},
		"another period": {
			sandbox.LoseReply,
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.DateTo += 86400 })
			},
			billing.AmbiguousLine,
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.DateTo -= 86400 })
			},
		},
		"another text": {
			sandbox.LoseReply,
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.Description = "as agreed" })
			},
			"", nil,
		},
		"not there, one by hand": {
			sandbox.Refuse,
			func(w *world, id string) error {
				_, err := w.chargebee.AddLine(id, byHand)
				return err
			},
			billing.AmbiguousLine,
			func(w *world, id string) error { return w.chargebee.RemoveLine(id, w.items(id)[1].ID) },
		},
		"twice": {
			sandbox.LoseReply,
			func(w *world, id string) error {
				_, err := w.chargebee.AddLine(id, w.items(id)[1])
				return err
			},
			billing.DuplicateLine,
			func(w *world, id string) error { return w.chargebee.RemoveLine(id, w.items(id)[2].ID) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newCatalogWorld(t, once("add_charge_item", 2, sandbox.Fault{Kind: test.fault}))
				id, body := w.three()
				settler := w.settler(nil)
				if outcome := w.handle(settler, body); outcome.Verdict != queue.Retry {
					t.Fatalf("got %+v", outcome)
				}
				if err := test.person(w, id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if test.reason != "" {
					for range 2 {
						if outcome := w.deliver(settler, body); outcome.Reason != string(test.reason) {
							t.Fatalf("got %+v", outcome)
						}
					}
					if got := w.statuses(); got != "claimed claimed claimed" {
						t.Errorf("events are %s", got)
					}
					if err := test.mend(w, id); err != nil {
						t.Fatal(err)
					}
				}
				if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
					t.Fatalf("got %+v", outcome)
				}
				w.wantEqualBooks()
			})
		})
	}
}

// editItem changes the last line of an item price.
func (w *world) editItem(id string, edit func(*chargebee.LineItem)) error {
	lines := w.items(id)
	return w.chargebee.EditLine(id, lines[len(lines)-1].ID, edit)
}

// TestPersonChangesCatalogLines that were added, before the last call to charge.
func TestPersonChangesCatalogLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		person func(w *world, id string) error
		reason billing.Reason
	}{
		"another amount": {
			func(w *world, id string) error {
				return w.editItem(id, func(line *chargebee.LineItem) { line.Amount-- })
			},
			billing.LineRemoved,
		},
		"removed": {
			func(w *world, id string) error { return w.chargebee.RemoveLine(id, w.items(id)[0].ID) },
			billing.LineRemoved,
		},
		"one more of the item price": {
			func(w *world, id string) error {
				line := w.items(id)[0]
				line.Amount, line.DateFrom = 99, line.DateFrom-86400
				_, err := w.chargebee.AddLine(id, line)
				return err
			},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id string
				w = newCatalogWorld(t, at("add_charge_item", 2, func() {
					if err := test.person(w, id); err != nil {
						t.Error(err)
					}
				}))
				var body []byte
				id, body = w.three()
				outcome := w.deliver(w.settler(nil), body)
				if outcome.Reason != string(test.reason) {
					t.Fatalf("got %+v", outcome)
				}
				if test.reason != "" {
					if strings.Contains(w.calls(), "close") || w.statuses() != "claimed claimed claimed" {
						t.Errorf("called %s, events are %s", w.calls(), w.statuses())
					}
					return
				}
				if got := w.statuses(); got != "billed billed billed" {
					t.Errorf("events are %s", got)
				}
				var amounts []int64 // hers stands beside ours
				for _, line := range w.items(w.head(id).FinalInvoiceID) {
					amounts = append(amounts, line.Amount)
				}
				if got := fmt.Sprint(amounts); got != "[10 99 40]" {
					t.Errorf("lines of %s", got)
				}
			})
		})
	}
}

// TestRoundedDates: should Chargebee show other dates than were sent, no line is charged
// twice and no invoice is closed; a person is told.
func TestRoundedDates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCatalogWorld(t, nil)
		id, body := w.three()
		settler := w.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(request.URL.Path, "/add_charge_item") {
					return transport.RoundTrip(request)
				}
				form, err := url.ParseQuery(bodyOf(request))
				if err != nil {
					return nil, err
				}
				day, _ := strconv.ParseInt(form.Get("item_price[date_from]"), 10, 64)
				form.Set("item_price[date_from]", fmt.Sprint(day-day%86400))
				rounded := strings.NewReader(form.Encode())
				again, err := http.NewRequestWithContext(request.Context(), request.Method, request.URL.String(), rounded)
				if err != nil {
					return nil, err
				}
				again.Header = request.Header
				return transport.RoundTrip(again)
			})
		})
		for range 3 {
			if outcome := w.deliver(settler, body); outcome.Reason != string(billing.LineRemoved) || !strings.Contains(outcome.Detail, "of item price calls-EUR for sub from ") {
				t.Fatalf("got %+v", outcome)
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

// TestPersonEndsACatalogDraft in the middle of charging. The plan's line, which stood
// there before, leads to the successor; there the fingerprints decide.
func TestPersonEndsACatalogDraft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string
		call      int
		person    func(*world, string) error
		reason    billing.Reason
		verdict   string
		statuses  string
	}{
		"closed before the first line": {"add_charge_item", 1, closed, billing.InvoiceNotPending, "rrr", "unbilled unbilled unbilled"},
		"closed before the second":     {"add_charge", 1, closed, billing.InvoiceNotPending, "srr", "billed unbilled unbilled"},
		"closed before the third":      {"add_charge_item", 2, closed, billing.InvoiceNotPending, "ssr", "billed billed unbilled"},
		"closed before the close":      {"close", 1, closed, "", "sss", "billed billed billed"},
		"deleted before the second":    {"add_charge", 1, deleted, billing.SuccessorUnknown, "hrr", "claimed unbilled unbilled"},
		"changed and closed": {"close", 1, func(w *world, id string) error {
			if err := w.editItem(id, func(line *chargebee.LineItem) { line.Amount++ }); err != nil {
				return err
			}
			return closed(w, id)
		}, billing.LineRemoved, "ssh", "billed billed claimed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				var id string
				w = newCatalogWorld(t, at(test.operation, test.call, func() {
					if err := test.person(w, id); err != nil {
						t.Error(err)
					}
				}))
				var body []byte
				id, body = w.three()
				if outcome := w.deliver(w.settler(nil), body); outcome.Reason != string(test.reason) {
					t.Errorf("got %+v", outcome)
				}
				if head := w.head(id); head.Verdict != test.verdict {
					t.Errorf("verdict %q", head.Verdict)
				}
				if got := w.statuses(); got != test.statuses {
					t.Errorf("events are %s", got)
				}
			})
		})
	}
}

// TestTwinOfADeletedDraft is an invoice that bears the very fingerprint of the draft's
// line: two events of one amount in one second, written before and after the draft was
// claimed. If a fingerprint led to the successor, the twin would be taken for it, the
// first event would become billed on it, and nobody would ever pay for it: the twin
// charges the second. So it is held, and a person is told.
func TestTwinOfADeletedDraft(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]func() sandbox.Faults{
		"in doubt": func() sandbox.Faults { return once("add_charge_item", 1, sandbox.Fault{Kind: sandbox.LoseReply}) },
		"added":    func() sandbox.Faults { return once("close", 1, sandbox.Fault{Kind: sandbox.Refuse}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newCatalogWorld(t, faults())
				second := fmt.Sprint("occurred_at=", time.Now().Unix()-3600)
				w.write("sub", "calls", "10", second)
				draft, body := w.renew("sub")
				if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Retry {
					t.Fatalf("got %+v", outcome)
				}
				w.write("sub", "calls", "10", second)
				twin, twinBody := w.renew("sub")
				if err := w.chargebee.DeleteInvoice(draft); err != nil {
					t.Fatal(err)
				}
				if outcome := w.deliver(w.settler(nil), twinBody); outcome.Verdict != queue.Done {
					t.Fatalf("the twin: %+v", outcome)
				}
				one, other := w.items(draft)[0], w.items(w.head(twin).FinalInvoiceID)[0]
				if one.ID = other.ID; one != other {
					t.Fatalf("no twins: %+v and %+v", one, other)
				}
				outcome := w.deliver(w.settler(nil), body)
				if head := w.head(draft); outcome.Reason != string(billing.SuccessorUnknown) || head.Verdict != "h" || head.FinalInvoiceID != "" {
					t.Errorf("got %+v: %+v", outcome, head)
				}
				if got := w.statuses(); got != "claimed billed" {
					t.Errorf("events are %s", got)
				}
			})
		})
	}
}

// TestNothingLeadsToTheSuccessor of a draft that had no line before and got lines of
// item prices alone: it is refused, unless Chargebee's answer to the close names it.
func TestNothingLeadsToTheSuccessor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes   string
		fault   sandbox.Fault
		reason  billing.Reason
		verdict string
	}{
		"the answer names it":       {"calls storage", sandbox.Fault{}, "", ""},
		"the answer is lost":        {"calls storage", sandbox.Fault{Kind: sandbox.LoseReply}, billing.SuccessorUnknown, "hh"},
		"a marker leads to it":      {"calls seats", sandbox.Fault{Kind: sandbox.LoseReply}, "", "ss"},
		"lost before it was closed": {"calls storage", sandbox.Fault{Kind: sandbox.Refuse}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newCatalogWorld(t, once("close", 1, test.fault))
				for code := range strings.FieldsSeq(test.codes) {
					w.write("sub", code, "10")
				}
				w.chargebee.AddSubscription(chargebee.Subscription{ID: "sub", CustomerID: "customer", CurrencyCode: "EUR"})
				invoice, event, err := w.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{"sub"}})
				if err != nil {
					t.Fatal(err)
				}
				outcome := w.deliver(w.settler(nil), w.chargebee.Payload(event.ID))
				if head := w.head(invoice.ID); outcome.Reason != string(test.reason) || head.Verdict != test.verdict {
					t.Errorf("got %+v: %+v", outcome, head)
				}
				if got := w.statuses(); strings.Contains(got, "claimed") != (test.reason != "") || strings.Contains(got, "unbilled") {
					t.Errorf("events are %s", got)
				}
			})
		})
	}
}

// TestItemPricesThatCannotBeCharged are said to a person, and nothing stays claimed.
// Once the catalog is right, a replay charges.
func TestItemPricesThatCannotBeCharged(t *testing.T) {
	t.Parallel()
	for name, price := range map[string]*chargebee.ItemPrice{
		"unknown":          nil,
		"another currency": {ID: "calls-EUR", CurrencyCode: "USD"},
		"priced in tiers":  {ID: "calls-EUR", CurrencyCode: "EUR", PricingModel: chargebee.Tiered, Tiers: []chargebee.Tier{{StartingUnit: 1, Price: 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.settings.Catalog = billing.Catalog{"calls": {ItemPriceID: "calls-EUR"}}
				if price != nil {
					w.sell(*price)
				}
				w.write("sub", "calls", "10")
				_, body := w.renew("sub")
				outcome := w.deliver(w.settler(nil), body)
				if outcome.Reason != string(billing.ChargebeeRefused) || !strings.Contains(outcome.Detail, "add_charge_item") {
					t.Fatalf("got %+v", outcome)
				}
				if got := w.statuses(); got != billing.EventUnbilled {
					t.Errorf("events are %s", got)
				}
				w.sell(chargebee.ItemPrice{ID: "calls-EUR"})
				if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Fatalf("replayed: %+v", outcome)
				}
				w.wantEqualBooks()
			})
		})
	}
}
