package settlement_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// TestUndisturbed costs one call to read the invoice, one per line and one to close, and a
// repeated message none at all.
func TestUndisturbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for i := range 7 {
			f.write("sub", []string{"calls", "storage", "seats"}[i%3], fmt.Sprintf("%d.25", 100+i), "description=Text", "quantity=2")
		}
		id, body := f.renew("sub")
		settler := f.settler(nil)
		f.wantDoneAtOnce(settler, body)
		f.wantCalls("retrieve add_charge add_charge add_charge close")
		f.wantReconciled()
		record := f.head(id)
		if record.State != billing.Finished || record.Outcome != billing.Closed || record.FinalInvoiceID == "" || record.FinalInvoiceID == id || record.ExpiresAt < time.Now().Add(90*24*time.Hour).Unix() {
			t.Errorf("got %+v", record)
		}
		if found, ok, err := f.store.FindRecord(t.Context(), record.FinalInvoiceID); err != nil || !ok || found.InvoiceID != id {
			t.Errorf("by its final id: %v, %t, %v", found, ok, err)
		}
		for _, item := range f.tables.Items("ledger") {
			if _, ok := item["expires_at"]; !ok {
				t.Errorf("%v has no time to live", item["invoice_id"])
			}
		}
		if outcome := f.handle(settler, body); outcome.Action != queue.Ack || !f.last().Repeated {
			t.Errorf("the repeated message: %+v", outcome)
		}
		if len(f.chargebee.Calls()) != 5 {
			t.Errorf("the repeated message called %s", f.calls())
		}
	})
}

// TestNothingToCharge closes normally, also when all lines come to 0.
func TestNothingToCharge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		events []string
		spoil  func(*fixture)
		result billing.Outcome
		calls  string
	}{
		"no events":              {nil, func(*fixture) {}, billing.Closed, "retrieve close"},
		"events of 0":            {[]string{"0.4", "0.1", "0"}, func(*fixture) {}, billing.Closed, "retrieve close"},
		"left open without":      {nil, func(f *fixture) { f.settings.CloseWithoutEvents = false }, billing.LeftOpen, "retrieve"},
		"closed with":            {[]string{"9"}, func(f *fixture) { f.settings.CloseWithoutEvents = false }, billing.Closed, "retrieve add_charge close"},
		"never closed":           {[]string{"9"}, func(f *fixture) { f.settings.Close = false }, billing.LeftOpen, "retrieve add_charge"},
		"never closed, no lines": {nil, func(f *fixture) { f.settings.Close = false }, billing.LeftOpen, "retrieve"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				test.spoil(f)
				for _, amount := range test.events {
					f.write("sub", "calls", amount)
				}
				id, body := f.renew("sub")
				f.wantDoneAtOnce(f.settler(nil), body)
				f.wantCalls(test.calls)
				if record := f.head(id); record.Outcome != test.result {
					t.Errorf("got %+v", record)
				}
				for _, event := range f.events() {
					if event.Status != billing.EventBilled {
						t.Errorf("got %+v", event)
					}
				}
				if test.result == billing.Closed {
					f.wantReconciled()
				}
			})
		})
	}
}

// TestEmptyInvoice cannot be closed: Chargebee wants a line.
func TestEmptyInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub", "calls", "0.2")
		id, body := f.renewWithoutPlan("sub")
		f.wantDone(f.settler(nil), body)
		if record := f.head(id); record.Outcome != billing.Empty {
			t.Errorf("got %+v", record)
		}
		for _, event := range f.events() {
			if event.Status != billing.EventUnbilled {
				t.Errorf("got %+v", event)
			}
		}
	})
}

// TestConsolidatedInvoice bills several subscriptions, each line on its own.
func TestConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub_a", "calls", "10")
		f.write("sub_b", "calls", "20")
		f.write("sub_c", "calls", "40") // is not on the invoice
		_, body := f.renew("sub_a", "sub_b")
		f.wantDoneAtOnce(f.settler(nil), body)
		f.wantCalls("retrieve add_charge add_charge close")
		f.wantReconciled()
	})
}

// TestWhichEvents takes all unbilled ones before the date, late ones included.
func TestWhichEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		now := time.Now().Unix()
		at := func(seconds int64) string { return fmt.Sprintf("occurred_at=%d", seconds) }
		billed := []string{
			f.write("sub", "calls", "1", at(now-1)),
			f.write("sub", "calls", "2", at(now-400*24*3600)),
			f.write("sub", "calls", "4", "status=unbilled"),
		}
		left := []string{f.write("sub", "calls", "8", at(now)), f.write("sub", "calls", "16", at(now+1))}
		_, body := f.renew("sub")
		f.wantDoneAtOnce(f.settler(nil), body)
		events := f.events()
		for _, id := range billed {
			if events[id].Status != billing.EventBilled {
				t.Errorf("got %+v", events[id])
			}
		}
		for _, id := range left {
			if events[id].Status != "" {
				t.Errorf("got %+v", events[id])
			}
		}
		f.wantReconciled()
	})
}

// TestBadEventsReject before anything is charged, and release the claims; the
// message can be replayed once the event is corrected.
func TestBadEventsReject(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event  []string // amount, further attributes
		reason billing.Reason
	}{
		"an amount too large":  {[]string{"1e30"}, billing.InvalidEvent},
		"no amount":            {[]string{"1", "amount="}, billing.InvalidEvent},
		"amount a text":        {[]string{"1", "amount=much"}, billing.InvalidEvent},
		"no charge code":       {[]string{"1", "charge_code="}, billing.InvalidEvent},
		"foreign currency":     {[]string{"1", "currency_code=USD"}, billing.CurrencyMismatch},
		"2^53":                 {[]string{"9007199254740992"}, billing.InvalidEvent},
		"above the limit":      {[]string{"1000001"}, billing.AboveLimit},
		"description a number": {[]string{"1", "description=7"}, billing.InvalidEvent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.settings.MaxAmount = 1_000_000
				f.write("sub", "calls", "5")
				bad := f.write("sub", "bad", test.event[0], test.event[1:]...)
				id, body := f.renew("sub")
				settler := f.settler(nil)
				outcome := f.handle(settler, body)
				if outcome.Action != queue.DeadLetter || outcome.Reason != string(test.reason) {
					t.Fatalf("got %+v: %+v", outcome, f.last())
				}
				if test.reason == billing.InvalidEvent || test.reason == billing.CurrencyMismatch {
					if !strings.Contains(outcome.Detail, bad) {
						t.Errorf("the detail %q does not name %s", outcome.Detail, bad)
					}
				}
				f.wantCalls("retrieve")
				for _, event := range f.events() {
					if event.Status != "" && event.Status != billing.EventUnbilled || event.InvoiceID != "" {
						t.Errorf("a claim is held: %+v", event)
					}
				}
				if record := f.head(id); record.State != billing.Rejected || record.Owner != "" {
					t.Errorf("got %+v", record)
				}
				// A producer corrects the event; the message is replayed.
				f.correct(bad)
				f.wantClosed(settler, body)
			})
		})
	}
}

// TestUnreadable messages are rejected without a word to the ledger.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		settler := f.settler(nil)
		if outcome := f.handle(settler, []byte("{")); outcome.Action != queue.DeadLetter || outcome.Reason != string(billing.UnreadableMessage) || outcome.Detail == "" {
			t.Errorf("got %+v", outcome)
		}
		if outcome := f.handle(settler, []byte(`{"event_type":"customer_created"}`)); outcome.Action != queue.Ack {
			t.Errorf("another type: %+v", outcome)
		}
		if got := len(f.tables.Items("ledger")); got != 0 {
			t.Errorf("the ledger has %d items", got)
		}
	})
}

func TestTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.write("sub", "calls", "5")
		id, body := f.renew("sub")
		settler := f.settler(nil)
		old := func() *queue.Delivery {
			return &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
		}
		if outcome := settler.Handle(t.Context(), old()); outcome.Action != queue.DeadLetter || outcome.Reason != string(billing.TooOld) {
			t.Fatalf("got %+v", outcome)
		}
		f.wantDoneAtOnce(settler, body)
		if outcome := settler.Handle(t.Context(), old()); outcome.Action != queue.Ack {
			t.Errorf("an old copy of a finished one: %+v", outcome)
		}
		if record := f.head(id); record.State != billing.Finished {
			t.Errorf("got %+v", record)
		}
		f.wantReconciled()
	})
}

var date = regexp.MustCompile(`"date":[0-9]+`)

// TestMessageThatLacksSomething asks Chargebee for it.
func TestMessageThatLacksSomething(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(string) string{
		"status": func(body string) string {
			return strings.Replace(body, `"status":"pending"`, `"status":"payment_due"`, 1)
		},
		"subscriptions": func(body string) string { return strings.ReplaceAll(body, `"subscription_id":"sub",`, ``) },
		"date":          func(body string) string { return date.ReplaceAllString(body, `"date":-1`) },
		"line ids":      func(body string) string { return strings.Replace(body, `"id":"li_`, `"xid":"li_`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.write("sub", "calls", "5")
				_, body := f.renew("sub")
				spoilt := spoil(string(body))
				if spoilt == string(body) {
					t.Fatalf("nothing to spoil in %s", body)
				}
				f.wantDoneAtOnce(f.settler(nil), []byte(spoilt))
				f.wantCalls("retrieve add_charge close")
				f.wantReconciled()
			})
		})
	}
}
