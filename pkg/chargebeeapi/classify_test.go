package chargebeeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
)

// reply returns a client that receives this response to every call.
func reply(t *testing.T, status int, header map[string]string, body string) *chargebeeapi.Client {
	t.Helper()
	return newClient(t, chargebeeapi.Config{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		for name, value := range header {
			recorder.Header().Set(name, value)
		}
		recorder.WriteHeader(status)
		_, _ = recorder.WriteString(body)
		return recorder.Result(), nil
	})})
}

// errorJSON is an error as the API words it, of the least helpful type.
func errorJSON(code string) string {
	encoded, err := json.Marshal(map[string]any{
		"message": "Please try after some time", "type": "invalid_request", "api_error_code": code, "http_status_code": 418,
	})
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// https://apidocs.chargebee.com/docs/api/error-handling
func TestClient_ClassifiesDocumentedErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status   int
		code     string
		kind     billing.Kind
		resource bool
	}{
		{400, "invalid_request", billing.Permanent, false},
		{400, "param_wrong_value", billing.Permanent, false},
		{400, "configuration_incompatible", billing.Permanent, false},
		{400, "resource_limit_exhausted", billing.Permanent, false},
		{400, "resource_limit_exceeded", billing.Permanent, false},
		{400, "duplicate_entry", billing.Permanent, false},
		{400, "payment_processing_failed", billing.Permanent, false},
		{400, "payment_method_not_present", billing.Permanent, false},
		{400, "payment_method_verification_failed", billing.Permanent, false},
		{400, "payment_gateway_currency_incompatible", billing.Permanent, false},
		{400, "payment_intent_invalid", billing.Permanent, false},
		{400, "payment_intent_invalid_amount", billing.Permanent, false},
		{401, "api_authentication_failed", billing.Unauthorized, false},
		{401, "basic_authentication_failed", billing.Unauthorized, false},
		{403, "request_blocked", billing.Unauthorized, false},
		{403, "api_authorization_failed", billing.Unauthorized, false},
		{404, "resource_not_found", billing.Missing, false},
		{404, "site_not_found", billing.Unauthorized, false},
		{405, "http_method_not_supported", billing.Permanent, false},
		{409, "invalid_state_for_request", billing.Missing, false},
		{422, "unable_to_process_request", billing.Permanent, false},
		{429, "api_request_limit_exceeded", billing.Limited, false},
		{429, "third_party_api_request_limit_exceeded", billing.Limited, true},
		{429, "lock_timeout", billing.Limited, true},
		{500, "internal_error", billing.Unknown, false},
		{503, "internal_temporary_error", billing.Unknown, false},
		{503, "db_connection_failure", billing.Unknown, false},
		{503, "site_not_ready", billing.Transient, false},
		{503, "site_read_only_mode", billing.Transient, false},

		// A code with another status than its own is ignored.
		{500, "site_not_ready", billing.Unknown, false},
		{400, "resource_not_found", billing.Permanent, false},
		{404, "something_new", billing.Unknown, false},
		{409, "something_new", billing.Missing, false},
		{429, "something_new", billing.Limited, false},
		{451, "something_new", billing.Permanent, false},
		{503, "something_new", billing.Unknown, false},
	} {
		t.Run(fmt.Sprintf("%d %s", test.status, test.code), func(t *testing.T) {
			t.Parallel()
			client := reply(t, test.status, nil, errorJSON(test.code))
			each(t.Context(), client, permit, func(operation string, err error) {
				failure := failureOf(t, err)
				if failure.Kind != test.kind || failure.Resource != test.resource {
					t.Errorf("%s: %s, resource %t; want %s, %t", operation, failure.Kind, failure.Resource, test.kind, test.resource)
				}
				if failure.Operation != operation || failure.Status != test.status || failure.Code != test.code ||
					failure.Message != "Please try after some time" || failure.Replayed || failure.RetryAfter != 0 {
					t.Errorf("%s: failure %+v", operation, failure)
				}
			})
		})
	}
}

// Without a code of Chargebee only the status counts: the answer may be from a proxy, which may have passed
// the call on before.
func TestClient_ClassifiesStatusWithoutCode(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"empty": "", "HTML": "<html>503 504</html>", "other JSON": `{"message":"no"}`, "list": `[]`, "null": `null`,
		"wrong types": `{"api_error_code":7,"message":"no"}`,
	}
	for status := 200; status <= 599; status++ {
		want := billing.Unknown
		switch status {
		case 401, 403:
			want = billing.Unauthorized
		case 429:
			want = billing.Limited
		}
		for name, body := range bodies {
			client := reply(t, status, map[string]string{"Content-Type": "text/html"}, body)
			each(t.Context(), client, permit, func(operation string, err error) {
				failure := failureOf(t, err)
				if failure.Kind != want || failure.Status != status || failure.Code != "" {
					t.Errorf("%s, %d with %s: %+v, want %s", operation, status, name, failure, want)
				}
			})
		}
	}
}

func TestClient_RetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"":                                   0,
		"0":                                  0,
		"1":                                  time.Second,
		"60":                                 time.Minute,
		"3600":                               time.Hour,
		"3601":                               time.Hour,
		"99999999999":                        time.Hour,
		"99999999999999999999999":            time.Hour, // beyond 64 bits
		"-5":                                 0,
		"1.5":                                0,
		"soon":                               0,
		instant.Format(http.TimeFormat):      0,
		"Sun, 01 Nov 2026 12:00:45 GMT":      45 * time.Second,
		"Sunday, 01-Nov-26 12:00:45 GMT":     45 * time.Second, // RFC 850
		"Sun Nov  1 12:00:45 2026":           45 * time.Second, // asctime
		"Sun, 01 Nov 2026 11:59:00 GMT":      0,
		"Sun, 01 Nov 2126 12:00:00 GMT":      time.Hour,
		"Sun, 01 Nov 2026 12:00:45 GMT, 100": 0,
	} {
		client := reply(t, http.StatusTooManyRequests, map[string]string{"Retry-After": header}, errorJSON("api_request_limit_exceeded"))
		_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
		if failure := failureOf(t, err); failure.RetryAfter != want {
			t.Errorf("Retry-After %q: %s, want %s", header, failure.RetryAfter, want)
		}
	}

	client := reply(t, http.StatusServiceUnavailable, map[string]string{"Retry-After": "60"}, errorJSON("site_not_ready"))
	_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
	if failure := failureOf(t, err); failure.RetryAfter != 0 {
		t.Errorf("only limits have a time to retry after, not %v", failure)
	}
}

// Texts from elsewhere are limited, printable, and do not contain the API key.
func TestClient_RedactsMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 1000)
	body, err := json.Marshal(map[string]string{
		"api_error_code": "code\n" + long,
		"message":        "Invalid api key " + apiKey + "\r\n\x00\u2028" + long,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := reply(t, http.StatusBadRequest, nil, string(body))
	_, err = client.AddCharge(t.Context(), permit(), charge("draft_1"))
	failure := failureOf(t, err)
	if !strings.HasPrefix(failure.Message, "Invalid api key ***    üü") {
		t.Errorf("message %q", failure.Message)
	}
	for _, text := range []string{failure.Message, failure.Code} {
		if utf8.RuneCountInString(text) != 256 || strings.ContainsAny(text, "\r\n\x00\u2028") {
			t.Errorf("%d characters: %q", utf8.RuneCountInString(text), text)
		}
	}

	client = reply(t, http.StatusBadGateway, map[string]string{"Content-Type": "text/html; " + long}, "<html>"+apiKey+"</html>")
	_, err = client.AddCharge(t.Context(), permit(), charge("draft_1"))
	if text := err.Error(); strings.Contains(text, apiKey) || strings.Contains(text, "<html>") || utf8.RuneCountInString(text) > 350 {
		t.Errorf("error %q", text)
	}
}

func TestClient_MarksReplayedResponse(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{"": false, "false": false, "true": true, "TRUE": true, "1": true, "yes": false} {
		for _, status := range []int{200, 400, 500} {
			client := reply(t, status, map[string]string{"chargebee-idempotency-replayed": header}, errorJSON("invalid_request"))
			_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
			if failure := failureOf(t, err); failure.Replayed != want {
				t.Errorf("%d with the header %q: replayed %t", status, header, failure.Replayed)
			}
		}
	}
}

// FuzzAnswer: whatever comes back, a call ends with an invoice that has an id or with
// a failure.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", invoiceJSON)
	f.Add(200, "", `{"list":[`+invoiceJSON+`],"next_offset":"[\"1\"]"}`)
	f.Add(200, "", `{"customer":null}`)
	f.Add(404, "", errorJSON("resource_not_found"))
	f.Add(429, "7", errorJSON("api_request_limit_exceeded"))
	f.Add(503, "Sun, 01 Nov 2026 12:00:45 GMT", "<html>")
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		if status < 200 || status > 999 {
			return
		}
		client := reply(t, status, map[string]string{"Retry-After": retryAfter}, body)
		invoice, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
		switch {
		case err == nil && (invoice.ID == "" || status > 299):
			t.Errorf("%d %q is the invoice %+v", status, body, invoice)
		case err != nil:
			failure := failureOf(t, err)
			if failure.RetryAfter < 0 || failure.RetryAfter > time.Hour || utf8.RuneCountInString(failure.Message) > 256 {
				t.Errorf("failure %+v", failure)
			}
		}
		page, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{CustomerID: "ada"})
		if err != nil {
			failureOf(t, err)
		}
		for _, invoice := range page.Invoices {
			if invoice.ID == "" {
				t.Errorf("%d %q lists an invoice without an id", status, body)
			}
		}
	})
}
