package chargebeeapi_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/settlement"
)

var (
	_ settlement.Charger  = (*chargebeeapi.Client)(nil)
	_ settlement.Invoices = (*chargebeeapi.Client)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const apiKey = "test_key"

// instant is the time of the stopped clock: a slow machine must not make permits expire.
var instant = time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)

func stopped() time.Time { return instant }

// permit returns a permit that can be spent while the clock is stopped.
func permit() *ratelimit.Permit { return ratelimittest.Permit(stopped) }

// newClient returns a client with defaults for tests.
func newClient(t *testing.T, config chargebeeapi.Config) *chargebeeapi.Client {
	t.Helper()
	config.BaseURL = cmp.Or(config.BaseURL, "https://acme-test.chargebee.com")
	if config.APIKey == "" {
		config.APIKey = apiKey
	}
	if config.Now == nil {
		config.Now = stopped
	}
	client, err := chargebeeapi.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve puts a handler on loopback and returns a client for it.
func serve(t *testing.T, handler http.HandlerFunc) *chargebeeapi.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, chargebeeapi.Config{BaseURL: server.URL})
}

// roundTripper makes a function a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// charge is a charge like those of a settlement.
func charge(invoiceID string) billing.Charge {
	return billing.Charge{
		InvoiceID:      invoiceID,
		Amount:         12345,
		Description:    "API calls (3) [abcdefghijkl]",
		From:           1_700_000_000,
		To:             1_702_592_000,
		IdempotencyKey: "key-1",
	}
}

// planned is the line of charge().
var planned = []billing.Line{{Marker: "abcdefghijkl", Amount: 12345}}

// countOf returns the number of lines of charge() on an invoice.
func countOf(invoice billing.Invoice) int { return billing.Recognize(invoice, planned, nil).Counts[0] }

// invoiceJSON is a small response.
const invoiceJSON = `{"invoice":{"id":"draft_1","customer_id":"ada","status":"pending","currency_code":"USD","date":1700000000,` +
	`"line_items":[{"id":"li_1","subscription_id":"ada-1","entity_type":"adhoc","description":"x [m]","amount":5}]}}`

// respond returns a handler with one response for every request.
func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// failureOf returns the failure that err must be.
func failureOf(t *testing.T, err error) *billing.Failure {
	t.Helper()
	failure, ok := errors.AsType[*billing.Failure](err)
	if !ok {
		t.Fatalf("the error is no failure: %v", err)
	}
	return failure
}

// each calls every operation of the client and hands over its name and error.
func each(ctx context.Context, client *chargebeeapi.Client, permit func() *ratelimit.Permit, check func(operation string, err error)) {
	_, err := client.AddCharge(ctx, permit(), charge("draft_1"))
	check("add_charge", err)
	_, err = client.Close(ctx, permit(), billing.Close{InvoiceID: "draft_1", IdempotencyKey: "key-2"})
	check("close", err)
	_, err = client.Invoice(ctx, permit(), billing.LinePage{InvoiceID: "draft_1"})
	check("retrieve", err)
	_, err = client.ListInvoices(ctx, permit(), billing.InvoiceQuery{CustomerID: "ada"})
	check("list", err)
}

func TestNew_ValidatesConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config chargebeeapi.Config
		fault  string // in the error; empty: none
	}{
		"site":               {chargebeeapi.Config{BaseURL: "https://acme-test.chargebee.com", APIKey: apiKey}, ""},
		"base URL":           {chargebeeapi.Config{BaseURL: "http://127.0.0.1:9333", APIKey: apiKey}, ""},
		"nothing":            {chargebeeapi.Config{}, "invalid base URL: use one like http://host:port\nmissing API key"},
		"no key":             {chargebeeapi.Config{BaseURL: "https://acme.chargebee.com"}, "API key"},
		"no scheme":          {chargebeeapi.Config{BaseURL: "127.0.0.1:9333", APIKey: apiKey}, "invalid base URL"},
		"other scheme":       {chargebeeapi.Config{BaseURL: "ftp://127.0.0.1", APIKey: apiKey}, "invalid base URL"},
		"credentials in URL": {chargebeeapi.Config{BaseURL: "http://user:hidden@127.0.0.1", APIKey: apiKey}, "invalid base URL"},
		"query":              {chargebeeapi.Config{BaseURL: "http://127.0.0.1?a=b", APIKey: apiKey}, "invalid base URL"},
		"control character":  {chargebeeapi.Config{BaseURL: "http://user:hidden@\x7f", APIKey: apiKey}, "invalid base URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := chargebeeapi.New(test.config)
			switch {
			case test.fault == "" && err != nil:
				t.Error(err)
			case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
				t.Errorf("error %v, want one with %q", err, test.fault)
			case err != nil && strings.Contains(err.Error(), "hidden"):
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

// Without a required argument, nothing is sent.
func TestClient_RequiresArguments(t *testing.T) {
	t.Parallel()
	client := newClient(t, chargebeeapi.Config{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s %s was sent", r.Method, r.URL)
			return nil, errors.New("not expected")
		}),
		Observe: func(_ context.Context, o chargebeeapi.Observation) { t.Errorf("observed %+v", o) },
	})
	for _, id := range []string{"", ".", ".."} {
		_, charged := client.AddCharge(t.Context(), permit(), billing.Charge{InvoiceID: id, Amount: 1, IdempotencyKey: "k"})
		_, closed := client.Close(t.Context(), permit(), billing.Close{InvoiceID: id, IdempotencyKey: "k"})
		_, read := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: id})
		_, listed := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{CustomerID: id})
		for _, err := range []error{charged, closed, read, listed} {
			if failure := failureOf(t, err); failure.Kind != billing.Permanent {
				t.Errorf("id %q: %v", id, err)
			}
		}
	}
	unprotected := charge("draft_1")
	unprotected.IdempotencyKey = ""
	_, err := client.AddCharge(t.Context(), permit(), unprotected)
	if failureOf(t, err).Kind != billing.Permanent {
		t.Errorf("without an idempotency key: %v", err)
	}
}

// Clients of different sites do not share configuration.
func TestClient_SeveralSites(t *testing.T) {
	t.Parallel()
	const sites, callers, calls = 2, 4, 25
	var (
		served   [sites]atomic.Int64
		observed [sites]atomic.Int64
		keys     sync.Map
		running  sync.WaitGroup
	)
	for site := range sites {
		key := fmt.Sprintf("key_of_%d", site)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served[site].Add(1)
			if got := keyOf(r); got != key {
				t.Errorf("site %d was called with the key %q", site, got)
			}
			if _, twice := keys.LoadOrStore(r.Header.Get("Chargebee-Idempotency-Key"), true); twice {
				t.Errorf("the key %q came twice", r.Header.Get("Chargebee-Idempotency-Key"))
			}
			id := strings.Split(r.URL.Path, "/")[4]
			respond(http.StatusOK, "application/json", `{"invoice":{"id":"`+id+`"}}`)(w, r)
		}))
		t.Cleanup(server.Close)
		for caller := range callers {
			running.Go(func() {
				client, err := chargebeeapi.New(chargebeeapi.Config{
					BaseURL: server.URL, APIKey: key, Now: stopped, MaxConcurrent: callers,
					Observe: func(context.Context, chargebeeapi.Observation) { observed[site].Add(1) },
				})
				if err != nil {
					t.Error(err)
					return
				}
				defer client.CloseIdleConnections()
				for n := range calls {
					wanted := charge(fmt.Sprintf("draft_%d_%d_%d", site, caller, n))
					wanted.IdempotencyKey = "k-" + wanted.InvoiceID
					invoice, err := client.AddCharge(t.Context(), permit(), wanted)
					if err != nil || invoice.ID != wanted.InvoiceID {
						t.Errorf("%s was answered %s: %v", wanted.InvoiceID, invoice.ID, err)
					}
				}
			})
		}
	}
	running.Wait()
	for site := range sites {
		if served[site].Load() != callers*calls || observed[site].Load() != callers*calls {
			t.Errorf("site %d got %d calls and observed %d, want %d", site, served[site].Load(), observed[site].Load(), callers*calls)
		}
	}
}

func TestClient_Observes(t *testing.T) {
	t.Parallel()
	var observed []chargebeeapi.Observation
	now := instant
	status := http.StatusOK
	client := newClient(t, chargebeeapi.Config{
		Now: func() time.Time { return now },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			now = now.Add(200 * time.Millisecond)
			recorder := httptest.NewRecorder()
			body := invoiceJSON
			if strings.HasSuffix(r.URL.Path, "/invoices") {
				body = `{"list":[]}`
			}
			recorder.Header().Set("Date", "Sun, 01 Nov 2026 12:00:07 GMT")
			respond(status, "application/json", body)(recorder, r)
			return recorder.Result(), nil
		}),
		Observe: func(_ context.Context, o chargebeeapi.Observation) { observed = append(observed, o) },
	})
	each(t.Context(), client, permit, func(operation string, err error) {
		if err != nil {
			t.Errorf("%s: %v", operation, err)
		}
	})
	status = http.StatusBadRequest
	_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
	failureOf(t, err)
	spent := permit()
	_ = spent.Spend()
	if _, err := client.AddCharge(t.Context(), spent, charge("draft_1")); !errors.Is(err, ratelimit.ErrExpired) {
		t.Errorf("a spent permit: %v", err)
	}

	call := func(n int, operation, method, kind string, status int) chargebeeapi.Observation {
		const took = 200 * time.Millisecond
		return chargebeeapi.Observation{
			Operation: operation, Method: method, Host: "acme-test.chargebee.com", Kind: kind, Status: status,
			Started: instant.Add(time.Duration(n) * took), Duration: took,
		}
	}
	want := []chargebeeapi.Observation{
		call(0, "add_charge", "POST", "ok", 200),
		call(1, "close", "POST", "ok", 200),
		call(2, "retrieve", "GET", "ok", 200),
		call(3, "list", "GET", "ok", 200),
		call(4, "add_charge", "POST", "unknown", 400),
	}
	for i := range want[:4] { // the date of another response may be a proxy's
		want[i].Date = time.Date(2026, 11, 1, 12, 0, 7, 0, time.UTC)
	}
	if fmt.Sprint(observed) != fmt.Sprint(want) {
		t.Errorf("observed\n%v, want\n%v", observed, want)
	}
}
