package chargebee_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// The old id of a closed draft gets the configured answer; ids that never
// existed are not found.
func TestClosedDraft(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer *chargebee.Error
		status int
		code   string
	}{
		{name: "default", status: http.StatusNotFound, code: "resource_not_found"},
		{name: "wrong state", answer: chargebee.ErrInvalidState, status: http.StatusConflict, code: "invalid_state_for_request"},
		{name: "invalid request", answer: chargebee.ErrInvalidRequest, status: http.StatusBadRequest, code: "invalid_request"},
	} {
		s := newSite(t, chargebee.Config{ClosedDraft: test.answer})
		draft := s.renew("ada-1")
		s.must(request{path: "invoices/" + draft.ID + "/close"})
		requests := func(id string) map[string]request {
			return map[string]request{
				"retrieve":   {method: http.MethodGet, path: "invoices/" + id},
				"add_charge": chargeRequest(id, "1", ""),
				"close":      {path: "invoices/" + id + "/close"},
			}
		}
		for name, r := range requests(draft.ID) {
			if answer := s.must(r); answer.status != test.status || answer.Code != test.code {
				t.Errorf("%s, %s: %d %s", test.name, name, answer.status, answer.raw)
			}
		}
		for name, r := range requests("draft_inv_none") {
			if answer := s.must(r); answer.status != http.StatusNotFound || answer.Code != "resource_not_found" {
				t.Errorf("%s, %s of an unknown id: %d %s", test.name, name, answer.status, answer.raw)
			}
		}
		if list := s.list(url.Values{"id[is]": {draft.ID}, "include_deleted": {"true"}}); len(list.List) != 0 {
			t.Errorf("%s: listed %s", test.name, list.raw)
		}
	}
}

func TestShowsDeleted(t *testing.T) {
	t.Parallel()
	for _, shows := range []bool{false, true} {
		s := newSite(t, chargebee.Config{ShowsDeleted: shows})
		draft := s.renew("ada-1")
		if err := s.DeleteInvoice(draft.ID); err != nil {
			t.Fatal(err)
		}
		answer := s.get(draft.ID, "")
		if shown := answer.status == http.StatusOK && answer.Invoice.Deleted; shown != shows {
			t.Errorf("shows %t: %d %s", shows, answer.status, answer.raw)
		}
		if charged := s.charge(draft.ID, "1", ""); charged.status != http.StatusNotFound {
			t.Errorf("shows %t: a charge gets %d", shows, charged.status)
		}
	}
}

func TestNewLineIDs(t *testing.T) {
	t.Parallel()
	for _, renews := range []bool{false, true} {
		s := newSite(t, chargebee.Config{NewLineIDs: renews})
		draft := s.renew("ada-1")
		before := s.charge(draft.ID, "1", "").Invoice.LineItems
		closed := s.must(request{path: "invoices/" + draft.ID + "/close"}).Invoice
		for i, line := range s.get(closed.ID, "").Invoice.LineItems {
			if renewed := line.ID != before[i].ID; renewed != renews || !strings.HasPrefix(line.ID, "li_") {
				t.Errorf("new ids %t: line %d has %s, before %s", renews, i, line.ID, before[i].ID)
			}
			if line.ID = before[i].ID; line != before[i] {
				t.Errorf("new ids %t: line %d changed: %+v", renews, i, line)
			}
		}
	}
}

// An edit can make an invoice consolidated.
func TestEditInvoice(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{Events: everything})
	draft := s.renew("ada-1")
	s.charge(draft.ID, "5", "")
	consolidate := func(invoice *chargebee.Invoice) {
		invoice.SubscriptionID = ""
		invoice.LineItems[1].SubscriptionID, invoice.LineItems[1].Amount = "ada-2", 7
	}
	if err := s.EditInvoice(draft.ID, consolidate); err != nil {
		t.Fatal(err)
	}
	got := s.get(draft.ID, "").Invoice
	if got.SubscriptionID != "" || got.LineItems[1].SubscriptionID != "ada-2" || got.Total != 1007 ||
		got.ResourceVersion < draft.ResourceVersion+2 {
		t.Errorf("invoice %+v", got)
	}
	if answer := s.charge(draft.ID, "1", ""); answer.Param != "subscription_id" {
		t.Errorf("charge without a subscription: %d %s", answer.status, answer.raw)
	}
	if events := s.Events(); len(events) != 3 || events[2].Type != chargebee.EventPendingInvoiceUpdated {
		t.Errorf("events %+v", events)
	}
	closed, err := s.CloseInvoice(draft.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, s.EditInvoice(closed.ID, consolidate), "invalid_state_for_request")
}
