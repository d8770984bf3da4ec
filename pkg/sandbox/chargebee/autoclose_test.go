package chargebee_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Pending invoices close by themselves at their time, unless a more specific setting prevents it.
func TestAutoClose(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		site   time.Duration
		closes bool
	}{
		{"a site that does not", 0, false},
		{"a site that does", 24 * time.Hour, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{AutoClose: test.site, Events: []string{chargebee.EventInvoiceGenerated}})
			s.AddSubscription(chargebee.Subscription{
				ID: "eve-1", CustomerID: "eve", Plan: chargebee.Plan{ItemPriceID: "p", UnitAmount: 1},
			})
			draft, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"eve-1"}})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(24*time.Hour - 1)
			if answer := s.get(draft.ID, ""); answer.Invoice.Status != chargebee.StatusPending {
				t.Errorf("%s: before its time: %s", test.name, answer.raw)
			}
			time.Sleep(time.Nanosecond)
			// Without synctest.Wait: at the very moment, a call finds it closed.
			if answer := s.get(draft.ID, ""); (answer.status == http.StatusNotFound) != test.closes {
				t.Errorf("%s: at its time: %d %s", test.name, answer.status, answer.raw)
			}
			time.Sleep(time.Hour)
			all := s.Invoices()
			if len(all) != 1 || (all[0].DraftID == draft.ID) != test.closes {
				t.Fatalf("%s: the books have %+v", test.name, all)
			}
			events := s.Events()[1:] // behind the renewal
			if (len(events) == 1) != test.closes || len(events) > 1 {
				t.Errorf("%s: events %+v", test.name, events)
			}
			for _, event := range events {
				if event.Type != chargebee.EventInvoiceGenerated || event.InvoiceID != all[0].ID || time.Since(event.OccurredAt) != time.Hour {
					t.Errorf("%s: event %+v", test.name, event)
				}
			}
		})
	}
}

// A condition that prevents a close also prevents an automatic one.
func TestAutoCloseFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{
			AutoClose: time.Hour,
			Collect: func(invoice chargebee.Invoice) chargebee.Collection {
				if invoice.CustomerID == "bob" {
					return chargebee.CollectRefused
				}
				return chargebee.CollectAsConfigured
			},
		})
		empty := s.renew("ada-2")
		refused := s.renew("bob-1")
		s.charge(refused.ID, "1", "")
		deleted := s.renew("ada-1")
		if err := s.DeleteInvoice(deleted.ID); err != nil {
			t.Fatal(err)
		}
		earlier, err := s.CloseInvoice(s.renew("ada-1").ID)
		if err != nil {
			t.Fatal(err)
		}
		s.renew("ada-1", "ada-2")
		time.Sleep(2 * time.Hour)
		for _, id := range []string{empty.ID, refused.ID, deleted.ID} {
			if invoice, ok := s.Invoice(id); !ok || invoice.Status != chargebee.StatusPending {
				t.Errorf("%s: %t %s", id, ok, invoice.Status)
			}
		}
		all := s.Invoices()
		if len(all) != 5 || all[3].ID != earlier.ID || all[4].ID != "2" || all[4].Status != chargebee.StatusPaymentDue {
			t.Errorf("the books have %+v", all)
		}
	})
}

// A charge that is worked on while its invoice closes, or that comes late,
// finds it closed.
func TestChargeDuringAutoClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{
			AutoClose: time.Hour, Latency: time.Minute,
			Faults: script("add_charge", sandbox.Fault{Kind: sandbox.ApplyLate, Late: 2 * time.Hour}),
		})
		draft := s.renew("ada-1")
		if _, err := s.do(chargeRequest(draft.ID, "1", "late")); err == nil {
			t.Error("the late call was answered")
		}
		time.Sleep(time.Hour - 30*time.Second)
		if answer := s.charge(draft.ID, "2", "k"); answer.status != http.StatusNotFound {
			t.Errorf("%d %s", answer.status, answer.raw)
		}
		time.Sleep(3 * time.Hour)
		if all := s.Invoices(); len(all) != 1 || all[0].Total != 1000 {
			t.Errorf("the books have %+v", all)
		}
	})
}
