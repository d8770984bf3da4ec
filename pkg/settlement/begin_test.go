package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// bare is the least of a webhook that a receiver accepts.
func bare(invoiceID string) []byte {
	return []byte(`{"id":"ev_1","event_type":"pending_invoice_created","content":{"invoice":{"id":"` + invoiceID + `"}}}`)
}

// TestWebhookThatLies about everything but the invoice's id: what Chargebee shows counts.
func TestWebhookThatLies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("other", "calls", "99")
		id, _ := f.three()
		body := fmt.Sprintf(`{"id":"ev_1","occurred_at":%d,"event_type":"pending_invoice_created","content":{"invoice":{"id":%q,"customer_id":"mallory",
			"subscription_id":"other","currency_code":"USD","status":"pending","date":4102444800,"line_items":[{"id":"li_x","subscription_id":"other"}]}}}`, time.Now().Unix(), id)
		f.wantDoneAtOnce(f.settler(nil), []byte(body))
		f.wantCalls("retrieve add_charge add_charge add_charge close")
		f.wantStatuses("unbilled billed billed billed")
		f.wantEachBilledOnce()
	})
}

// TestTrustWebhook saves the read for a message that shows everything, and only for that.
func TestTrustWebhook(t *testing.T) {
	t.Parallel()
	const saved, read = "add_charge add_charge add_charge close", "retrieve add_charge add_charge add_charge close"
	for name, test := range map[string]struct {
		site    chargebee.Config
		change  func(f *fixture, id string, delivery *queue.Delivery)
		nothing bool // there is nothing to charge
		calls   string
	}{
		"complete":          {calls: saved},
		"cut":               {site: chargebee.Config{CutWebhooks: 1}, calls: saved},
		"bare":              {site: chargebee.Config{BareWebhooks: true}, calls: read},
		"nothing to charge": {nothing: true, calls: "retrieve close"},
		"replayed": {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) {
			delivery.Attributes = map[string]string{queue.AttributeReplayCount: "1"}
		}},
		"old":      {calls: read, change: func(*fixture, string, *queue.Delivery) { time.Sleep(6 * time.Minute) }},
		"not ours": {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"pending"`, `"paid"`) }},
		"more lines": {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) {
			swap(delivery, `"line_items":`, `"line_items_next_offset":"x","line_items":`)
		}},
		"no date":       {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"date":`, `"xdate":`) }},
		"no currency":   {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"currency_code":`, `"x":`) }},
		"no customer":   {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"customer_id":`, `"x":`) }},
		"a line's id":   {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"id":"li_`, `"x":"li_`) }},
		"no lines":      {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"line_items":`, `"x":`) }},
		"no occurrence": {calls: read, change: func(_ *fixture, _ string, delivery *queue.Delivery) { swap(delivery, `"occurred_at":`, `"x":`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, test.site, dynamodb.Config{})
				f.settings.TrustWebhook = true
				id, body := f.three()
				if test.nothing {
					id, body = f.renew("idle")
				}
				delivery := &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}}
				if test.change != nil {
					test.change(f, id, delivery)
				}
				if outcome := f.settler(nil).Handle(t.Context(), delivery); outcome.Action != queue.Ack {
					t.Fatalf("got %+v: %+v", outcome, f.last())
				}
				f.wantCalls(test.calls)
			})
		})
	}
}

func swap(delivery *queue.Delivery, old, replacement string) {
	delivery.Body = []byte(strings.ReplaceAll(string(delivery.Body), old, replacement))
}

// consolidates makes an invoice of one subscription one of two.
func consolidates(f *fixture, id string) error {
	f.chargebee.AddSubscription(chargebee.Subscription{ID: "second", CustomerID: "customer", CurrencyCode: "EUR"})
	return f.chargebee.EditInvoice(id, func(invoice *chargebee.Invoice) {
		invoice.SubscriptionID = ""
		line := invoice.LineItems[0]
		line.ID, line.SubscriptionID = "li_second", "second"
		invoice.LineItems = append(invoice.LineItems, line)
	})
}

// moves gives an invoice another subscription.
func moves(f *fixture, id string) error {
	f.chargebee.AddSubscription(chargebee.Subscription{ID: "second", CustomerID: "customer", CurrencyCode: "EUR"})
	return f.chargebee.EditInvoice(id, func(invoice *chargebee.Invoice) {
		invoice.SubscriptionID = "second"
		for i := range invoice.LineItems {
			invoice.LineItems[i].SubscriptionID = "second"
		}
	})
}

// TestStaleMessage: the draft changed after its webhook was sent. It is billed as what it is
// now, whether the message was trusted or not and whatever the site accepts.
func TestStaleMessage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit     manualEdit
		statuses string // of an event of sub, and of one of second
	}{
		"consolidated":         {consolidates, "billed billed"},
		"another subscription": {moves, "unbilled billed"},
	} {
		for _, lenient := range []bool{false, true} {
			for when, change := range map[string]func(f *fixture, id string, body []byte){
				"before the message":     func(f *fixture, id string, _ []byte) { f.let(test.edit, id) },
				"between claim and line": func(f *fixture, id string, _ []byte) { f.editAfterClaim(test.edit, id) },
			} {
				t.Run(fmt.Sprintf("%s, lenient: %t, %s", name, lenient, when), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f := newFixtureOf(t, chargebee.Config{LenientSubscription: lenient}, dynamodb.Config{})
						f.write("sub", "calls", "10")
						f.write("second", "calls", "20")
						id, body := f.renew("sub")
						change(f, id, body)
						f.wantDone(f.settler(nil), body)
						f.wantStatuses(test.statuses)
						for _, line := range f.adHoc(f.head(id).FinalInvoiceID) {
							if want := map[int64]string{10: "sub", 20: "second"}[line.Amount]; line.SubscriptionID != want {
								t.Errorf("%+v is for %q", line, want)
							}
						}
						f.wantEachBilledOnce()
					})
				})
			}
		}
	}
}

// editAfterClaim handles the message until its events are claimed, lets the process crash,
// and edits the draft manually.
func (f *fixture) editAfterClaim(edit manualEdit, id string) {
	f.t.Helper()
	f.handleAndCrash(&crash{at: 7}, bare(id)) // record, acquire, invoice, query, invoices of the subscription, claim and plan; then the record of the first line
	if record := f.head(id); record.State != billing.Charging || record.IsSending() {
		f.t.Fatalf("got %+v", record)
	}
	time.Sleep(2 * settings.Lease)
	f.let(edit, id)
}

// TestTrustedMessageThatIsStale: a strict site refuses its first line. The invoice is read
// then, and billed as what it is.
func TestTrustedMessageThatIsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.settings.TrustWebhook = true
		f.write("sub", "calls", "10")
		f.write("second", "calls", "20")
		id, body := f.renew("sub")
		f.let(consolidates, id)
		f.wantDone(f.settler(nil), body)
		f.wantStatuses("billed billed")
		f.wantEachBilledOnce()
	})
}

// TestInvoiceChangedWhileItIsCharged is rejected, and nothing more is charged. Once our lines
// are removed and the claims released, a replay bills what it is now.
func TestInvoiceChangedWhileItIsCharged(t *testing.T) {
	t.Parallel()
	for _, lenient := range []bool{false, true} {
		t.Run(fmt.Sprintf("lenient: %t", lenient), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{LenientSubscription: lenient}, dynamodb.Config{})
				f.write("second", "calls", "20")
				id, body := f.three()
				f.meanwhile("add_charge", 2, func() error { return consolidates(f, id) })
				settler := f.settler(nil)
				reason := billing.InvoiceChanged
				if !lenient {
					reason = billing.ChargebeeRefused // the second line
				}
				f.wantRejected(settler, body, reason)
				if got := strings.Count(f.calls(), "add_charge"); got != 2 {
					t.Errorf("called %s", f.calls())
				}
				f.wantRejected(settler, body, billing.InvoiceChanged) // a replay has the reason
				f.let(removed, id)
				if lenient {
					f.let(removed, id)
				}
				time.Sleep(quiet)
				if _, err := f.release(id); err != nil {
					t.Fatal(err)
				}
				f.wantDone(settler, body)
				f.wantStatuses("billed billed billed billed")
				f.wantEachBilledOnce()
			})
		})
	}
}

// TestUnknownInvoice costs two reads, is reported once, and its message ends as a dead letter.
func TestUnknownInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.wantRejected(f.settler(nil), bare("draft_forged"), billing.InvoiceNotPending)
		f.wantCalls("retrieve retrieve")
		if reports := f.notes.reports; len(reports) != 2 || !reports[0].UnknownInvoice || reports[1].UnknownInvoice {
			t.Errorf("reported as %+v", reports)
		}
		if took := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); took < settings.MaxEffectDelay || took > 10*time.Minute {
			t.Errorf("after %s", took)
		}
	})
}

// TestInvoiceThatShowsLate is billed: its first read was too early.
func TestInvoiceThatShowsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{
			MaxReadLag: settings.MaxEffectDelay,
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if operation == "retrieve" {
					return sandbox.Fault{Lag: 4 * time.Minute}
				}
				return sandbox.Fault{}
			}),
		}, dynamodb.Config{})
		_, body := f.three()
		f.wantClosed(f.settler(nil), body)
	})
}

// TestClosedInvoice that a message names is rejected at once: it is not pending.
func TestClosedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.wantClosed(f.settler(nil), body)
		final := f.head(id).FinalInvoiceID
		if outcome := f.handle(f.settler(nil), bare(final)); outcome.Reason != string(billing.InvoiceNotPending) || !strings.Contains(outcome.Detail, "payment_due") {
			t.Errorf("got %+v", outcome)
		}
	})
}
