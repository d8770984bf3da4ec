package chargebeeapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/chargebee/chargebee-go/v3"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
)

// The defects of chargebee-go v3.39.0, tested with the real SDK over real connections. Not tested are
// Event.Deserialize and Event.Content, which panic on invalid webhooks: they are not used.

// The settings of the SDK are package variables that it writes without synchronization, its timeout
// of 80 s among them.
func TestSDK_PackageVariables(t *testing.T) {
	t.Parallel()
	t.Run("clients are made while others call", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(respond(http.StatusOK, "application/json", invoiceJSON))
		t.Cleanup(server.Close)
		var running sync.WaitGroup
		for range 16 {
			running.Go(func() {
				client, err := chargebeeapi.New(chargebeeapi.Config{BaseURL: server.URL, APIKey: apiKey, Now: stopped})
				if err != nil {
					t.Error(err)
					return
				}
				defer client.CloseIdleConnections()
				if _, err := client.AddCharge(t.Context(), permit(), charge("draft_1")); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
	})
	t.Run("a call may take longer than the SDK's time-out", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, chargebeeapi.Config{
				CallTimeout: 3 * sdk.TotalHTTPTimeout,
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					time.Sleep(2 * sdk.TotalHTTPTimeout)
					recorder := httptest.NewRecorder()
					respond(http.StatusOK, "application/json", invoiceJSON)(recorder, r)
					return recorder.Result(), r.Context().Err()
				}),
			})
			if _, err := client.AddCharge(t.Context(), permit(), charge("draft_1")); err != nil {
				t.Error(err)
			}
		})
	})
}

// Request panics without a default environment. This package sets none.
func TestSDK_DefaultEnvironment(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, "application/json", invoiceJSON))
	if _, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_1"}); err != nil {
		t.Error(err)
	}
	if sdk.DefaultEnv != (sdk.Environment{}) {
		t.Error("the SDK's default environment was set")
	}
	// A request that belongs to no call of a client is not sent: it has no permit.
	_, err := sdk.Send(http.MethodGet, "/invoices/1", nil).
		RequestWithEnv(sdk.Environment{Key: apiKey, SiteName: "acme-test"})
	if err == nil || !strings.Contains(err.Error(), "no call of a Client") {
		t.Errorf("a request of no client: %v", err)
	}
}

// The HTTP client of the SDK keeps two connections only.
func TestSDK_Connections(t *testing.T) {
	t.Parallel()
	const concurrent, rounds = 8, 10
	var opened atomic.Int64
	arrived := make(chan struct{}, concurrent)
	proceed := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-proceed
		respond(http.StatusOK, "application/json", invoiceJSON)(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newClient(t, chargebeeapi.Config{BaseURL: server.URL, MaxConcurrent: concurrent})
	for range rounds {
		var calls sync.WaitGroup
		for range concurrent {
			calls.Go(func() {
				if _, err := client.AddCharge(t.Context(), permit(), charge("draft_1")); err != nil {
					t.Error(err)
				}
			})
		}
		for range concurrent { // all at the same time
			<-arrived
		}
		for range concurrent {
			proceed <- struct{}{}
		}
		calls.Wait()
	}
	if n := opened.Load(); n != concurrent {
		t.Errorf("%d connections for %d calls at a time", n, concurrent)
	}
}

// The SDK builds the host from site and domain; a fake has neither.
func TestSDK_Host(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.Host + " " + r.URL.EscapedPath()
		respond(http.StatusOK, "application/json", invoiceJSON)(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for base, want := range map[string]string{
		server.URL:                  host + " /api/v2/invoices/a%2Fb",
		server.URL + "/":            host + " /api/v2/invoices/a%2Fb",
		server.URL + "/stand%2Fin/": host + " /stand%2Fin/api/v2/invoices/a%2Fb",
	} {
		client := newClient(t, chargebeeapi.Config{BaseURL: base})
		if _, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "a/b"}); err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if got := <-paths; got != want {
			t.Errorf("%s: called %s, want %s", base, got, want)
		}
	}
}

// The SDK can retry by itself, and sleeps in between whatever the context. Here nothing is sent
// twice, and each call takes no time of the virtual clock.
func TestSDK_Retries(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308, 408, 425, 429, 500, 502, 503, 504} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			client := newClient(t, chargebeeapi.Config{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				requests++
				recorder := httptest.NewRecorder()
				recorder.Header().Set("Retry-After", "30")
				recorder.Header().Set("Location", "/api/v2/elsewhere")
				respond(status, "application/json", errorJSON("internal_error"))(recorder, r)
				return recorder.Result(), nil
			})})
			began := time.Now()
			each(t.Context(), client, permit, func(operation string, err error) {
				if failureOf(t, err).Status != status || requests != 1 || time.Since(began) != 0 {
					t.Errorf("%s, %d: %d requests in %s: %v", operation, status, requests, time.Since(began), err)
				}
				requests = 0
			})
		})
	}
	t.Run("over a connection", func(t *testing.T) {
		t.Parallel()
		var requests atomic.Int64
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		})
		_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
		if failure := failureOf(t, err); failure.Kind != billing.Unknown || failure.Status != 307 || requests.Load() != 1 {
			t.Errorf("%d requests: %v", requests.Load(), err)
		}
	})
}

// The SDK treats a canceled context as a network error and retries.
func TestSDK_Cancellation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var requests atomic.Int64
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice
		cancel()
		<-r.Context().Done() // that the caller hung up
	})
	_, err := client.AddCharge(ctx, permit(), charge("draft_1"))
	if failure := failureOf(t, err); failure.Kind != billing.Unknown || failure.Status != 0 || requests.Load() != 1 {
		t.Errorf("%d requests: %v", requests.Load(), err)
	}
}

// The SDK hides status and headers of an error, trusts the status in the body, and invents one if the
// body is not JSON.
func TestSDK_Errors(t *testing.T) {
	t.Parallel()
	const limit = "Sorry, access has been blocked temporarily due to request count exceeding acceptable limits. Please try after some time"
	for name, test := range map[string]struct {
		status int
		body   string
		want   billing.Failure
	}{
		"headers of a refusal": {429,
			`{"message":"` + limit + `","type":"operation_failed","api_error_code":"api_request_limit_exceeded","http_status_code":429}`,
			billing.Failure{Kind: billing.Limited, Code: "api_request_limit_exceeded", Message: limit, RetryAfter: 17 * time.Second, Replayed: true}},
		"no status in the body": {404, `{"message":"no","api_error_code":"resource_not_found"}`,
			billing.Failure{Kind: billing.Missing, Code: "resource_not_found", Message: "no", Replayed: true}},
		"another status in the body": {503, `{"message":"no","api_error_code":"site_not_ready","http_status_code":404}`,
			billing.Failure{Kind: billing.Transient, Code: "site_not_ready", Message: "no", Replayed: true}},
		"JSON without a code": {503, `{"message":"no"}`,
			billing.Failure{Message: "not a response of Chargebee's API: 16 bytes of text/plain", Replayed: true}},
		"HTML that does not name its status": {503, `<html>Service Unavailable</html>`,
			billing.Failure{Message: "not a response of Chargebee's API: 32 bytes of text/plain", Replayed: true}},
		"HTML that names another status": {502, `<html>503</html>`,
			billing.Failure{Message: "not a response of Chargebee's API: 16 bytes of text/plain", Replayed: true}},
		"nothing": {504, ``,
			billing.Failure{Message: "not a response of Chargebee's API: 0 bytes of text/plain", Replayed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "17")
				w.Header().Set("Chargebee-Idempotency-Replayed", "true")
				respond(test.status, "text/plain", test.body)(w, r)
			})
			_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
			test.want.Operation, test.want.Status = "add_charge", test.status
			if got := failureOf(t, err); *got != test.want {
				t.Errorf("failure\n%+v, want\n%+v", *got, test.want)
			}
		})
	}
}

// A success that cannot be decoded may have taken effect: it is in doubt.
func TestSDK_UndecodableSuccess(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                   ``,
		"HTML":                      `<html>`,
		"half of it":                invoiceJSON[:len(invoiceJSON)/2],
		"something behind it":       invoiceJSON + `x`,
		"no invoice, no list":       `{}`,
		"null":                      `null`,
		"empty":                     `{"invoice":null,"list":null}`,
		"no id":                     `{"invoice":{"customer_id":"ada"},"list":[{"invoice":{"customer_id":"ada"}}]}`,
		"another type":              `{"invoice":{"id":7},"list":{}}`,
		"an amount of another type": `{"invoice":{"id":"1","line_items":[{"amount":1.5}]},"list":[{}]}`,
		"an amount above 64 bits":   `{"invoice":{"id":"1","line_items":[{"amount":9223372036854775808}]},"list":[null]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, respond(http.StatusOK, "text/plain", body))
			each(t.Context(), client, permit, func(operation string, err error) {
				failure := failureOf(t, err)
				if failure.Kind != billing.Unknown || failure.Status != 200 || failure.Err == nil || failure.Message == "" {
					t.Errorf("%s: %+v", operation, failure)
				}
			})
		})
	}
	t.Run("204", func(t *testing.T) {
		t.Parallel()
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		each(t.Context(), client, permit, func(operation string, err error) {
			if failure := failureOf(t, err); failure.Kind != billing.Unknown || failure.Status != 204 {
				t.Errorf("%s: %+v", operation, failure)
			}
		})
	})
}

// The SDK panics on a null next to the invoice, fails on a quantity above 32 bits although the charge
// was added, and drops custom fields.
func TestSDK_Decoding(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"null customer":          strings.Replace(invoiceJSON, `{`, `{"customer":null,"subscription":null,"item":null,`, 1),
		"quantity above 32 bits": strings.Replace(invoiceJSON, `"amount":5`, `"quantity":3000000000,"amount":5`, 1),
		"custom fields":          strings.Replace(invoiceJSON, `"id":`, `"cf_note":{"id":"no"},"id":`, 1),
		"unknown enumerators":    strings.Replace(invoiceJSON, `"id":`, `"channel":"pigeon","price_type":7,"id":`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/invoices") {
					respond(http.StatusOK, "application/json", `{"list":[`+body+`]}`)(w, r)
					return
				}
				respond(http.StatusOK, "application/json", body)(w, r)
			})
			want := billing.Invoice{
				ID: "draft_1", CustomerID: "ada", Status: "pending", CurrencyCode: "USD", Date: 1_700_000_000,
				Lines: []billing.InvoiceLine{{ID: "li_1", SubscriptionID: "ada-1", EntityType: "adhoc", Description: "x [m]", Amount: 5}},
			}
			invoice, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
			if err != nil || fmt.Sprint(invoice) != fmt.Sprint(want) {
				t.Errorf("invoice %+v: %v", invoice, err)
			}
			page, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{CustomerID: "ada"})
			if err != nil || len(page.Invoices) != 1 || fmt.Sprint(page.Invoices[0]) != fmt.Sprint(want) {
				t.Errorf("page %+v: %v", page, err)
			}
		})
	}
}

// The SDK sends "<nil>" for a missing amount, panics when a parameter is added to a request without
// any, and shares the map of headers between copies of a request. See also TestClient_WireForm and
// TestClient_SeveralSites.
func TestSDK_Parameters(t *testing.T) {
	t.Parallel()
	forms := make(chan string, 2)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		forms <- r.PostFormValue("amount") + r.FormValue("line_items_offset")
		respond(http.StatusOK, "application/json", invoiceJSON)(w, r)
	})
	_, err := client.AddCharge(t.Context(), permit(), billing.Charge{InvoiceID: "draft_1", IdempotencyKey: "k"})
	if got := <-forms; got != "0" || err != nil {
		t.Errorf("the amount 0 was sent as %q: %v", got, err)
	}
	_, err = client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_1", Offset: "cursor"})
	if got := <-forms; got != "cursor" || err != nil {
		t.Errorf("the offset was sent as %q: %v", got, err)
	}
}

// Numbers are exact to the last bit, and the size of responses is limited.
func TestSDK_NumbersAndSize(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, "application/json",
		`{"invoice":{"id":"1","line_items":[{"amount":9223372036854775807},{"amount":9007199254740993},{"amount":-1}]}}`))
	invoice, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
	if err != nil || len(invoice.Lines) != 3 || invoice.Lines[0].Amount != 1<<63-1 ||
		invoice.Lines[1].Amount != 1<<53+1 || invoice.Lines[2].Amount != -1 {
		t.Errorf("lines %+v: %v", invoice.Lines, err)
	}

	const most = 8 << 20
	padding := most - len(invoiceJSON)
	for extra, ok := range map[int]bool{0: true, 1: false, 1 << 20: false} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) { // chunked: without a length
			_, _ = w.Write([]byte(invoiceJSON))
			_, _ = w.Write([]byte(strings.Repeat(" ", padding+extra)))
		})
		_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
		if ok != (err == nil) {
			t.Errorf("%d bytes too many: %v", extra, err)
		}
		if err != nil && failureOf(t, err).Kind != billing.Unknown {
			t.Errorf("%d bytes too many: %v", extra, err)
		}
	}
}

// A panic during a call leaves the call in doubt and does not end the process.
func TestSDK_Panic(t *testing.T) {
	t.Parallel()
	client := newClient(t, chargebeeapi.Config{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		panic("assignment to entry in nil map")
	})})
	each(t.Context(), client, permit, func(operation string, err error) {
		failure := failureOf(t, err)
		if failure.Kind != billing.Unknown || failure.Status != 0 || !strings.HasPrefix(failure.Message, "panic: assignment") {
			t.Errorf("%s: %+v", operation, failure)
		}
		if failure.Err == nil || !strings.Contains(failure.Err.Error(), "sdk_test.go") {
			t.Errorf("%s: the stack is lost: %v", operation, failure.Err)
		}
	})
	fresh := permit()
	_, err := client.AddCharge(t.Context(), fresh, charge("draft_1"))
	if failureOf(t, err); fresh.Spend() == nil {
		t.Error("the permit was not spent")
	}
}
