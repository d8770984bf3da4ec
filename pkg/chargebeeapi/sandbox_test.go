package chargebeeapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// site is a fake with two subscriptions of ada, and a client of it.
type site struct {
	*chargebee.Service
	client *chargebeeapi.Client
	now    func() time.Time
	t      *testing.T
}

func newService(config chargebee.Config) *chargebee.Service {
	config.APIKey = apiKey
	service := chargebee.New(config)
	service.AddSubscription(chargebee.Subscription{
		ID: "ada-1", CustomerID: "ada",
		Plan: chargebee.Plan{ItemPriceID: "basic-USD-Monthly", Description: "Basic", UnitAmount: 1000},
	})
	service.AddSubscription(chargebee.Subscription{ID: "ada-2", CustomerID: "ada"})
	return service
}

// inBubble runs a scenario in virtual time, without a network.
func inBubble(t *testing.T, config func() chargebee.Config, scenario func(*site)) {
	t.Helper()
	t.Run("in virtual time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			service := newService(config())
			client := newClient(t, chargebeeapi.Config{Transport: sandbox.Transport{Handler: service}, Now: time.Now})
			scenario(&site{service, client, time.Now, t})
		})
	})
}

// bothWays runs a scenario in virtual time and over loopback.
func bothWays(t *testing.T, config func() chargebee.Config, scenario func(*site)) {
	t.Helper()
	inBubble(t, config, scenario)
	t.Run("over loopback", func(t *testing.T) {
		t.Parallel()
		service := newService(config())
		server := httptest.NewServer(service)
		t.Cleanup(server.Close)
		scenario(&site{service, newClient(t, chargebeeapi.Config{BaseURL: server.URL}), stopped, t})
	})
}

func (s *site) permit() *ratelimit.Permit { return ratelimittest.Permit(s.now) }

func (s *site) renew(subscriptionIDs ...string) string {
	s.t.Helper()
	invoice, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: subscriptionIDs})
	if err != nil {
		s.t.Fatal(err)
	}
	return invoice.ID
}

func (s *site) add(charge billing.Charge) (billing.Invoice, error) {
	return s.client.AddCharge(s.t.Context(), s.permit(), charge)
}

func (s *site) read(page billing.LinePage) (billing.Invoice, error) {
	return s.client.Invoice(s.t.Context(), s.permit(), page)
}

// count returns the number of lines with the marker of charge() on the invoice.
func (s *site) count(invoiceID string) int {
	s.t.Helper()
	invoice, err := s.read(billing.LinePage{InvoiceID: invoiceID})
	if err != nil {
		s.t.Fatal(err)
	}
	return countOf(invoice)
}

// of makes a configuration one that every service gets for itself.
func of(config chargebee.Config) func() chargebee.Config {
	return func() chargebee.Config { return config }
}

// strike lets a fault strike the first add_charge.
func strike(fault sandbox.Fault) sandbox.Faults {
	var struck atomic.Bool
	return sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if operation == "add_charge" && struck.CompareAndSwap(false, true) {
			return fault
		}
		return sandbox.Fault{}
	})
}

func TestClient_ChargesAndCloses(t *testing.T) {
	t.Parallel()
	bothWays(t, of(chargebee.Config{}), func(s *site) {
		draft := s.renew("ada-1")
		charged, err := s.add(charge(draft))
		if err != nil {
			s.t.Fatal(err)
		}
		if charged.ID != draft || charged.CustomerID != "ada" || charged.SubscriptionID != "ada-1" || charged.CurrencyCode != "USD" ||
			charged.Status != billing.StatusPending || charged.Date == 0 || len(charged.Lines) != 2 || countOf(charged) != 1 {
			s.t.Errorf("charged %+v", charged)
		}
		line := charged.Lines[1]
		want := billing.InvoiceLine{ID: line.ID, SubscriptionID: "ada-1", EntityType: billing.EntityAdHoc, Description: charge(draft).Description, Amount: 12345, From: 1_700_000_000, To: 1_702_592_000}
		if line != want || line.ID == "" {
			s.t.Errorf("line %+v", line)
		}
		if kept, _ := s.Invoice(draft); kept.LineItems[1].DateFrom != 1_700_000_000 || kept.LineItems[1].DateTo != 1_702_592_000 {
			s.t.Errorf("the fake has %+v", kept.LineItems[1])
		}
		read, err := s.read(billing.LinePage{InvoiceID: draft})
		if err != nil || fmt.Sprint(read) != fmt.Sprint(charged) {
			s.t.Errorf("read %+v: %v", read, err)
		}

		closing := billing.Close{InvoiceID: draft, IdempotencyKey: "close-1"}
		closed, err := s.client.Close(s.t.Context(), s.permit(), closing)
		if err != nil {
			s.t.Fatal(err)
		}
		if closed.ID == draft || closed.Status == billing.StatusPending || fmt.Sprint(closed.Lines) != fmt.Sprint(charged.Lines) {
			s.t.Errorf("closed %+v", closed)
		}
		again, err := s.client.Close(s.t.Context(), s.permit(), closing)
		if err != nil || again.ID != closed.ID {
			s.t.Errorf("closed again: %s: %v", again.ID, err)
		}

		// The draft no longer exists; its final invoice is among the customer's invoices.
		late := charge(draft)
		late.IdempotencyKey = "key-2"
		_, charging := s.add(late)
		_, reading := s.read(billing.LinePage{InvoiceID: draft})
		_, closingAgain := s.client.Close(s.t.Context(), s.permit(), billing.Close{InvoiceID: draft, IdempotencyKey: "close-2"})
		for _, err := range []error{charging, reading, closingAgain} {
			if failure := failureOf(s.t, err); failure.Kind != billing.Missing || failure.Status != 404 || failure.Code != "resource_not_found" {
				s.t.Errorf("on the closed draft: %+v", failure)
			}
		}
		_, err = s.add(charge(closed.ID))
		if failure := failureOf(s.t, err); failure.Code != "unable_to_process_request" || failure.Kind != billing.Permanent {
			s.t.Errorf("the key on another invoice: %+v", failure)
		}
		late.InvoiceID, late.IdempotencyKey = closed.ID, "key-3"
		_, err = s.add(late)
		if failure := failureOf(s.t, err); failure.Kind != billing.Missing || failure.Status != 409 {
			s.t.Errorf("on the closed invoice: %+v", failure)
		}
		page, err := s.client.ListInvoices(s.t.Context(), s.permit(), billing.InvoiceQuery{CustomerID: "ada"})
		if err != nil || page.Next != "" || len(page.Invoices) != 1 || fmt.Sprint(page.Invoices[0]) != fmt.Sprint(closed) {
			s.t.Errorf("page %+v: %v", page, err)
		}
	})
}

// A charge on a consolidated invoice names its subscription.
func TestClient_ChargesConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	bothWays(t, of(chargebee.Config{}), func(s *site) {
		draft := s.renew("ada-1", "ada-2")
		_, err := s.add(charge(draft))
		if failure := failureOf(s.t, err); failure.Kind != billing.Permanent || failure.Code != "param_wrong_value" {
			s.t.Errorf("without a subscription: %+v", failure)
		}
		order := charge(draft)
		order.SubscriptionID, order.IdempotencyKey = "ada-2", "key-2"
		charged, err := s.add(order)
		if err != nil || charged.SubscriptionID != "" || charged.Lines[len(charged.Lines)-1].SubscriptionID != "ada-2" {
			s.t.Errorf("charged %+v: %v", charged, err)
		}
	})
}

// A charge whose response is lost is in doubt. Sent again, it is on the invoice once.
func TestClient_LostResponse(t *testing.T) {
	t.Parallel()
	for _, reply := range []*chargebee.Error{
		chargebee.ErrCut, chargebee.ErrInternal, chargebee.ErrTemporary, chargebee.Page(502), chargebee.Page(504),
	} {
		t.Run(reply.Error(), func(t *testing.T) {
			t.Parallel()
			config := func() chargebee.Config {
				return chargebee.Config{
					Faults:      strike(sandbox.Fault{Kind: sandbox.LoseReply}),
					LostReplies: []*chargebee.Error{reply},
				}
			}
			bothWays(t, config, func(s *site) {
				draft := s.renew("ada-1")
				_, err := s.add(charge(draft))
				if failure := failureOf(s.t, err); failure.Kind != billing.Unknown || failure.Status != reply.Status || failure.Replayed {
					s.t.Errorf("%+v", failure)
				}
				if n := s.count(draft); n != 1 {
					s.t.Errorf("the charge stands %d times", n)
				}
				charged, err := s.add(charge(draft))
				if err != nil || countOf(charged) != 1 {
					s.t.Errorf("sent again: %+v: %v", charged, err)
				}
				if n := s.count(draft); n != 1 {
					s.t.Errorf("sent again it stands %d times", n)
				}
			})
		})
	}
}

// An incomplete response counts as none, whatever its status.
func TestClient_IncompleteResponse(t *testing.T) {
	t.Parallel()
	config := func() chargebee.Config {
		return chargebee.Config{Faults: strike(sandbox.Fault{Kind: sandbox.CutBody})}
	}
	bothWays(t, config, func(s *site) {
		draft := s.renew("ada-1")
		_, err := s.add(charge(draft))
		if failure := failureOf(s.t, err); failure.Kind != billing.Unknown || failure.Status != 200 {
			s.t.Errorf("half a success: %+v", failure)
		}
		if n := s.count(draft); n != 1 {
			s.t.Errorf("the charge stands %d times", n)
		}
	})
	bothWays(t, config, func(s *site) {
		_, err := s.add(charge("unknown_draft"))
		if failure := failureOf(s.t, err); failure.Kind != billing.Unknown || failure.Status != 404 {
			s.t.Errorf("half a refusal: %+v", failure)
		}
	})
}

// A response that was stored under the key is marked as replayed.
func TestClient_ReplayedRefusal(t *testing.T) {
	t.Parallel()
	bothWays(t, of(chargebee.Config{StoreErrors: true}), func(s *site) {
		nothing := charge(s.renew("ada-1"))
		nothing.Amount = 0
		for _, replayed := range []bool{false, true, true} {
			_, err := s.add(nothing)
			failure := failureOf(s.t, err)
			if failure.Kind != billing.Permanent || failure.Code != "param_wrong_value" || failure.Replayed != replayed {
				s.t.Errorf("%+v, want replayed %t", failure, replayed)
			}
		}
	})
}

func TestClient_SiteLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, of(chargebee.Config{RequestsPerMinute: 2}), func(s *site) {
		draft := s.renew("ada-1")
		if n := s.count(draft) + s.count(draft); n != 0 {
			s.t.Fatalf("%d lines", n)
		}
		each(s.t.Context(), s.client, s.permit, func(operation string, err error) {
			failure := failureOf(s.t, err)
			if failure.Kind != billing.Limited || failure.Resource || failure.RetryAfter != time.Minute {
				s.t.Errorf("%s: %+v", operation, failure)
			}
		})
		time.Sleep(time.Minute)
		if n := s.count(draft); n != 0 {
			s.t.Errorf("%d lines", n)
		}
	})
}

// A lock limits one invoice, not the site.
func TestClient_LockTimeout(t *testing.T) {
	t.Parallel()
	config := func() chargebee.Config {
		return chargebee.Config{Faults: strike(sandbox.Fault{Kind: sandbox.Throttle})}
	}
	bothWays(t, config, func(s *site) {
		_, err := s.add(charge(s.renew("ada-1")))
		failure := failureOf(s.t, err)
		if failure.Kind != billing.Limited || !failure.Resource || failure.Code != "lock_timeout" || failure.RetryAfter != 0 {
			s.t.Errorf("%+v", failure)
		}
	})
}

func TestClient_WrongCredentials(t *testing.T) {
	t.Parallel()
	service := newService(chargebee.Config{})
	client := newClient(t, chargebeeapi.Config{APIKey: "stale_key", Transport: sandbox.Transport{Handler: service}})
	each(t.Context(), client, permit, func(operation string, err error) {
		if failure := failureOf(t, err); failure.Kind != billing.Unauthorized || failure.Status != 401 {
			t.Errorf("%s: %+v", operation, failure)
		}
	})
}

// A call that Chargebee delays ends at its timeout, and may take effect later.
func TestClient_SlowCall(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"slow":       {Delay: time.Minute},
		"late":       {Kind: sandbox.ApplyLate, Late: time.Minute},
		"slow, lost": {Kind: sandbox.LoseReply, Delay: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := func() chargebee.Config { return chargebee.Config{Faults: strike(fault)} }
			inBubble(t, config, func(s *site) {
				draft := s.renew("ada-1")
				_, err := s.add(charge(draft))
				if failure := failureOf(s.t, err); failure.Kind != billing.Unknown || failure.Status != 0 {
					s.t.Errorf("%+v", failure)
				}
				if fault.Kind != sandbox.ApplyLate && !errors.Is(err, context.DeadlineExceeded) {
					s.t.Errorf("error %v", err)
				}
				before := s.count(draft)
				time.Sleep(2 * time.Minute)
				if after := s.count(draft); before != 0 || after != 1 {
					s.t.Errorf("the charge stands %d times, later %d times", before, after)
				}
			})
		})
	}
}
