package chargebee_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

func TestCharge(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	for _, test := range []struct {
		name          string
		subscriptions []string
		form          url.Values
		subscription  string
	}{
		{"its own subscription by default", []string{"ada-1"}, url.Values{}, "ada-1"},
		{"consolidated", []string{"ada-1", "ada-2"}, url.Values{"subscription_id": {"ada-2"}}, "ada-2"},
		{"250 characters", []string{"ada-1"}, url.Values{"description": {strings.Repeat("é", 250)}}, "ada-1"},
		{"one second", []string{"ada-1"}, url.Values{"line_item[date_from]": {"9"}, "line_item[date_to]": {"10"}}, "ada-1"},
		{"zero-padded", []string{"ada-1"}, url.Values{"amount": {"007"}}, "ada-1"},
	} {
		draft := s.renew(test.subscriptions...)
		form := url.Values{"amount": {"7"}, "description": {"usage"}}
		maps.Copy(form, test.form)
		answer := s.must(request{path: "invoices/" + draft.ID + "/add_charge", form: form.Encode()})
		if answer.status != http.StatusOK {
			t.Errorf("%s: %d %s", test.name, answer.status, answer.raw)
			continue
		}
		line := answer.Invoice.LineItems[len(answer.Invoice.LineItems)-1]
		if line.SubscriptionID != test.subscription || line.Amount != 7 || line.Description != form.Get("description") {
			t.Errorf("%s: line %+v", test.name, line)
		}
		if answer.Invoice.Total != draft.Total+7 || answer.Invoice.ResourceVersion <= draft.ResourceVersion {
			t.Errorf("%s: invoice %+v", test.name, answer.Invoice)
		}
	}
}

func TestConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1", "ada-2")
	if draft.SubscriptionID != "" || draft.CustomerID != "ada" || draft.LineItems[0].SubscriptionID != "ada-1" {
		t.Errorf("invoice %+v", draft)
	}
	for _, ids := range [][]string{nil, {"none"}, {"ada-1", "bob-1"}} {
		if _, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: ids}); err == nil {
			t.Errorf("renewing %v: no error", ids)
		}
	}
}

// TestRenew_IDs gives ids to an invoice and its event. An invoice that exists, or was closed, is not
// replaced.
func TestRenew_IDs(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	renewal := chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}, InvoiceID: "draft_inv_demo", EventID: "ev_demo"}
	invoice, event, err := s.Renew(renewal)
	if err != nil || invoice.ID != renewal.InvoiceID || event.ID != renewal.EventID || event.InvoiceID != renewal.InvoiceID {
		t.Errorf("%v: invoice %s, event %+v", err, invoice.ID, event)
	}
	if _, _, err := s.Renew(renewal); err == nil {
		t.Error("a pending invoice was replaced")
	}
	if _, err := s.CloseInvoice(renewal.InvoiceID); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Renew(renewal); err == nil {
		t.Error("a closed invoice was replaced")
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		config    chargebee.Config
		status    string
		due, paid int64
		dateMoves bool
	}{
		{"by default", chargebee.Config{}, chargebee.StatusPaymentDue, 1000, 0, true},
		{"collected", chargebee.Config{ClosedStatus: chargebee.StatusPaid}, chargebee.StatusPaid, 0, 1000, true},
		{"with a net term", chargebee.Config{ClosedStatus: chargebee.StatusPosted}, chargebee.StatusPosted, 1000, 0, true},
		{"dated at generation", chargebee.Config{KeepDate: true}, chargebee.StatusPaymentDue, 1000, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, test.config)
			draft := s.renew("ada-1")
			time.Sleep(time.Hour)
			answer := s.must(request{path: "invoices/" + draft.ID + "/close"})
			closed := answer.Invoice
			if answer.status != http.StatusOK || closed.ID != "1" || closed.Status != test.status ||
				closed.AmountDue != test.due || closed.AmountPaid != test.paid || closed.Total != 1000 {
				t.Errorf("%s: %s", test.name, answer.raw)
			}
			now := time.Now().Unix()
			if closed.GeneratedAt != now || closed.UpdatedAt != now || (closed.Date == now) != test.dateMoves ||
				closed.DueDate != closed.Date || closed.ResourceVersion <= draft.ResourceVersion {
				t.Errorf("%s: times in %s", test.name, answer.raw)
			}
			if !slices.Equal(closed.LineItems, draft.LineItems) {
				t.Errorf("%s: the lines have changed: %s", test.name, answer.raw)
			}

			all := s.Invoices()
			if len(all) != 1 || all[0].ID != "1" || all[0].DraftID != draft.ID {
				t.Errorf("%s: the books have %+v", test.name, all)
			}
			list := s.must(request{method: http.MethodGet, path: "invoices", query: "include_deleted=true"})
			if len(list.List) != 1 || list.List[0].Invoice.ID != "1" {
				t.Errorf("%s: the draft left a trace: %s", test.name, list.raw)
			}
		})
	}
}

// An invoice that owes nothing is paid, whatever others become.
func TestCloseNothingDue(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-2")
	if _, err := s.AddLine(draft.ID, chargebee.LineItem{Description: "free"}); err != nil {
		t.Fatal(err)
	}
	closed, err := s.CloseInvoice(draft.ID)
	if err != nil || closed.Status != chargebee.StatusPaid {
		t.Errorf("closed as %s, %v", closed.Status, err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{ClosedStatus: chargebee.StatusPaid})
	draft := s.renew("ada-1")
	if err := s.DeleteInvoice(draft.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.get(draft.ID, ""); got.status != http.StatusNotFound {
		t.Errorf("read after it was deleted: %d", got.status)
	}
	for query, want := range map[string]int{"": 0, "include_deleted=true": 1} {
		if list := s.must(request{method: http.MethodGet, path: "invoices", query: query}); len(list.List) != want {
			t.Errorf("list with %q: %s", query, list.raw)
		}
	}
	paid, err := s.CloseInvoice(s.renew("ada-1").ID)
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, s.DeleteInvoice(paid.ID), "invalid_state_for_request")
}

func TestManualEdits(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	plan := draft.LineItems[0].ID
	added, err := s.AddLine(draft.ID, chargebee.LineItem{Amount: 50, Description: "by hand"})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(line *chargebee.LineItem) { line.Amount, line.Description = 70, "edited" }
	if err := s.EditLine(draft.ID, added, edit); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveLine(draft.ID, plan); err != nil {
		t.Fatal(err)
	}
	got := s.get(draft.ID, "").Invoice
	if len(got.LineItems) != 1 || got.LineItems[0].ID != added || got.LineItems[0].Description != "edited" || got.Total != 70 {
		t.Errorf("invoice %+v", got)
	}
	if got.ResourceVersion < draft.ResourceVersion+3 {
		t.Errorf("resource_version %d after three changes of %d", got.ResourceVersion, draft.ResourceVersion)
	}

	wantRefusal(t, s.RemoveLine(draft.ID, plan), "resource_not_found")
	wantRefusal(t, s.EditLine(draft.ID, plan, edit), "resource_not_found")
	closed, err := s.CloseInvoice(draft.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CloseInvoice(draft.ID)
	wantRefusal(t, err, "resource_not_found")
	wantRefusal(t, s.EditLine(closed.ID, added, edit), "invalid_state_for_request")
	wantRefusal(t, s.RemoveLine(closed.ID, added), "invalid_state_for_request")
	_, err = s.AddLine(closed.ID, chargebee.LineItem{Amount: 1})
	wantRefusal(t, err, "invalid_state_for_request")
	if err := s.DeleteInvoice(closed.ID); err != nil {
		t.Error(err)
	}
}

// A caller that changes a snapshot does not change the site.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	draft.LineItems[0].Amount = 1
	s.Invoices()[0].LineItems[0].Amount = 2
	one, _ := s.Invoice(draft.ID)
	one.LineItems[0].Amount = 3
	if kept, _ := s.Invoice(draft.ID); kept.LineItems[0].Amount != 1000 {
		t.Errorf("amount %d", kept.LineItems[0].Amount)
	}
}

// An issued invoice that is not paid can be voided, and then regenerated without its ad-hoc charges.
func TestVoidAndRegenerate(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	wantRefusal(t, s.VoidInvoice(draft.ID), "invalid_state_for_request")
	if _, err := s.AddLine(draft.ID, chargebee.LineItem{Description: "once", Amount: 10}); err != nil {
		t.Fatal(err)
	}
	closed, err := s.CloseInvoice(draft.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.RegenerateInvoice(closed.ID)
	wantRefusal(t, err, "invalid_state_for_request")
	if err := s.VoidInvoice(closed.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.get(closed.ID, ""); got.Invoice.Status != chargebee.StatusVoided {
		t.Errorf("got %s", got.raw)
	}
	again, event, err := s.RegenerateInvoice(closed.ID)
	if err != nil || again.Status != chargebee.StatusPending || len(again.LineItems) != len(draft.LineItems) || event.InvoiceID != again.ID {
		t.Errorf("got %+v, %+v, %v", again, event, err)
	}
}
