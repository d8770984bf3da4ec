package chargebee_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Wrong calls get the documented status, type and code, and change nothing.
func TestWrongCalls(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	consolidated := s.renew("ada-1", "ada-2")
	empty := s.renew("ada-2")
	closedDraft := s.renew("ada-1")
	closed, err := s.CloseInvoice(closedDraft.ID)
	if err != nil {
		t.Fatal(err)
	}
	deleted := s.renew("ada-1")
	if err := s.DeleteInvoice(deleted.ID); err != nil {
		t.Fatal(err)
	}
	s.charge(draft.ID, "7", "taken")
	before, _ := s.Invoice(draft.ID)

	add := func(id, form string) request { return request{path: "invoices/" + id + "/add_charge", form: form} }
	charge := func(form string) request { return add(draft.ID, form) }
	get := func(path, query string) request {
		return request{method: http.MethodGet, path: path, query: query}
	}
	with := func(r request, change func(*request)) request { change(&r); return r }
	const good = "amount=1&description=d"
	keyed := func(key, form string) request {
		return with(charge(form), func(r *request) { r.key = key })
	}
	authorized := func(value string) request {
		return with(charge(good), func(r *request) { r.header = http.Header{"Authorization": {value}} })
	}

	for _, test := range []struct {
		name    string
		request request
		status  int
		code    string
		param   string
	}{
		{"amount 0", charge("amount=0&description=d"), 400, "param_wrong_value", "amount"},
		{"negative amount", charge("amount=-5&description=d"), 400, "param_wrong_value", "amount"},
		{"fraction", charge("amount=12.5&description=d"), 400, "param_wrong_value", "amount"},
		{"exponent", charge("amount=1e3&description=d"), 400, "param_wrong_value", "amount"},
		{"plus sign", charge("amount=%2B5&description=d"), 400, "param_wrong_value", "amount"},
		{"nil of the SDK", charge("amount=%3Cnil%3E&description=d"), 400, "param_wrong_value", "amount"},
		{"amount beyond 64 bits", charge("amount=9223372036854775808&description=d"), 400, "param_wrong_value", "amount"},
		{"amount beyond 2^53-1", charge("amount=9007199254740992&description=d"), 400, "param_wrong_value", "amount"},
		{"total beyond 2^53-1", charge("amount=9007199254740991&description=d"), 400, "param_wrong_value", "amount"},
		{"missing amount", charge("description=d"), 400, "param_wrong_value", "amount"},
		{"blank amount", charge("amount=&description=d"), 400, "param_wrong_value", "amount"},
		{"amount twice", charge("amount=1&amount=2&description=d"), 400, "param_wrong_value", "amount"},
		{"missing description", charge("amount=1"), 400, "param_wrong_value", "description"},
		{"251 characters", charge("amount=1&description=" + strings.Repeat("%C3%A9", 251)), 400, "param_wrong_value", "description"},
		{"description not UTF-8", charge("amount=1&description=%FF"), 400, "param_wrong_value", "description"},
		{"comment too long", charge(good + "&comment=" + strings.Repeat("c", 301)), 400, "param_wrong_value", "comment"},
		{"subscription id too long", charge(good + "&subscription_id=" + strings.Repeat("s", 51)), 400, "param_wrong_value", "subscription_id"},
		{"unknown subscription", charge(good + "&subscription_id=nobody"), 404, "resource_not_found", "subscription_id"},
		{"another customer's subscription", charge(good + "&subscription_id=bob-1"), 400, "param_wrong_value", "subscription_id"},
		{"consolidated without subscription", add(consolidated.ID, good), 400, "param_wrong_value", "subscription_id"},
		{"date no number", charge(good + "&line_item%5Bdate_from%5D=today"), 400, "param_wrong_value", "line_item[date_from]"},
		{"own subscription given", charge(good + "&subscription_id=ada-1"), 400, "param_wrong_value", "subscription_id"},
		{"dates equal", charge(good + "&line_item[date_from]=20&line_item[date_to]=20"), 400, "param_wrong_value", "line_item[date_to]"},
		{"dates reversed", charge(good + "&line_item[date_from]=20&line_item[date_to]=10"), 400, "param_wrong_value", "line_item[date_to]"},
		{"unknown parameter", charge(good + "&line_item[date_form]=1"), 400, "param_wrong_value", "line_item[date_form]"},
		{"broken encoding", charge("amount=1&description=%zz"), 400, "invalid_request", ""},
		{"JSON body", with(charge(`{"amount":1}`), func(r *request) {
			r.header = http.Header{"Content-Type": {"application/json"}}
		}), 400, "invalid_request", ""},

		{"unknown draft", add("draft_inv_none", good), 404, "resource_not_found", ""},
		{"closed draft", add(closedDraft.ID, good), 404, "resource_not_found", ""},
		{"closed draft, read", get("invoices/"+closedDraft.ID, ""), 404, "resource_not_found", ""},
		{"closed draft, closed again", request{path: "invoices/" + closedDraft.ID + "/close"}, 404, "resource_not_found", ""},
		{"deleted", get("invoices/"+deleted.ID, ""), 404, "resource_not_found", ""},
		{"charge on an issued invoice", add(closed.ID, good), 409, "invalid_state_for_request", ""},
		{"close of an issued invoice", request{path: "invoices/" + closed.ID + "/close"}, 409, "invalid_state_for_request", ""},
		{"close without lines", request{path: "invoices/" + empty.ID + "/close"}, 400, "invalid_request", ""},
		{"close at a date", request{path: "invoices/" + draft.ID + "/close", form: "invoice_date=1700000000"}, 400, "configuration_incompatible", "invoice_date"},
		{"note too long", request{path: "invoices/" + draft.ID + "/close", form: "invoice_note=" + strings.Repeat("n", 2001)}, 400, "param_wrong_value", "invoice_note"},

		{"key reused with other bytes", keyed("taken", good), 422, "unable_to_process_request", ""},
		{"key too long", keyed(strings.Repeat("k", 101), good), 400, "param_wrong_value", "chargebee-idempotency-key"},
		{"no credentials", authorized(""), 401, "api_authentication_failed", ""},
		{"wrong key", authorized("Basic d3Jvbmc="), 401, "api_authentication_failed", ""},
		{"wrong scheme", authorized("Bearer dGVzdF9rZXk="), 401, "api_authentication_failed", ""},
		{"not base64", authorized("Basic test_key"), 401, "api_authentication_failed", ""},
		{"GET of an action", get("invoices/"+draft.ID+"/add_charge", ""), 405, "http_method_not_supported", ""},
		{"POST of an invoice", request{path: "invoices/" + draft.ID}, 405, "http_method_not_supported", ""},
		{"PUT", request{method: http.MethodPut, path: "invoices/" + draft.ID}, 405, "http_method_not_supported", ""},
		{"unknown resource", get("credit_notes", ""), 404, "resource_not_found", ""},
		{"unknown action", request{path: "invoices/" + draft.ID + "/add_charges"}, 404, "resource_not_found", ""},
		{"trailing slash", get("invoices/", ""), 404, "resource_not_found", ""},

		{"limit 101", get("invoices", "limit=101"), 400, "param_wrong_value", "limit"},
		{"limit 0", get("invoices", "limit=0"), 400, "param_wrong_value", "limit"},
		{"foreign offset", get("invoices", "offset=100"), 400, "param_wrong_value", "offset"},
		{"sorting by total", get("invoices", "sort_by[asc]=total"), 400, "param_wrong_value", "sort_by[asc]"},
		{"offset of one part", get("invoices", `offset=["1"]`), 400, "param_wrong_value", "offset"},
		{"filter misspelt", get("invoices", "state[is]=pending"), 400, "param_wrong_value", "state[is]"},
		{"301 lines", get("invoices/"+draft.ID, "line_items_limit=301"), 400, "param_wrong_value", "line_items_limit"},
		{"foreign line offset", get("invoices/"+draft.ID, "line_items_offset=100"), 400, "param_wrong_value", "line_items_offset"},
	} {
		answer := s.must(test.request)
		if answer.status != test.status || answer.Code != test.code || answer.Param != test.param {
			t.Errorf("%s: %d %s", test.name, answer.status, answer.raw)
		}
		if answer.Type == "" || answer.Message == "" {
			t.Errorf("%s: type and message are missing: %s", test.name, answer.raw)
		}
	}

	if after, _ := s.Invoice(draft.ID); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("a refused call changed the invoice: %+v", after)
	}
}

// Clients send the key with or without the colon before the blank password.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	for _, credentials := range []string{"Basic dGVzdF9rZXk=", "Basic dGVzdF9rZXk6", "basic dGVzdF9rZXk6"} {
		answer := s.must(request{
			method: http.MethodGet, path: "invoices/" + draft.ID, header: http.Header{"Authorization": {credentials}},
		})
		if answer.status != http.StatusOK {
			t.Errorf("%s: %d", credentials, answer.status)
		}
	}
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	answer := s.charge(s.renew("ada-1").ID, "0", "")
	want := `{"message":"amount : should be greater than or equal to 1","type":"invalid_request",` +
		`"api_error_code":"param_wrong_value","param":"amount","error_code":"param_wrong_value",` +
		`"error_msg":"amount : should be greater than or equal to 1","http_status_code":400}`
	if answer.raw != want {
		t.Errorf("body %s\nwant %s", answer.raw, want)
	}
}

// Whatever the bytes of a form are, the answer is one of the documented ones.
func FuzzAddCharge(f *testing.F) {
	f.Add("amount=1&description=d")
	f.Add("amount=12345&comment=c&description=3+events+%26+more&line_item%5Bdate_from%5D=1&line_item%5Bdate_to%5D=2")
	f.Add("line_items[id][0]=a;b&=&%00")
	f.Fuzz(func(t *testing.T, form string) {
		s := newSite(t, chargebee.Config{})
		draft := s.renew("ada-1")
		answer := s.must(request{path: "invoices/" + draft.ID + "/add_charge", form: form})
		lines := len(answer.Invoice.LineItems)
		accepted := answer.status == http.StatusOK && lines == 2 && answer.Invoice.LineItems[1].Amount > 0
		refused := (answer.status == http.StatusBadRequest || answer.status == http.StatusNotFound) && answer.Code != ""
		if !accepted && !refused {
			t.Errorf("form %q: %d %s", form, answer.status, answer.raw)
		}
	})
}
