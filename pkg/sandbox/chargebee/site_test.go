package chargebee_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

const apiKey = "test_key"

// site is a Chargebee site with one customer, and raw HTTP to it.
type site struct {
	*chargebee.Service
	t *testing.T
}

// newSite makes a site where customer ada has subscriptions ada-1 (with a plan
// of 1000) and ada-2 (without one), and bob has bob-1.
func newSite(t *testing.T, config chargebee.Config) site {
	t.Helper()
	if !config.KeysPerAPIKey { // else several are valid
		config.APIKey = apiKey
	}
	service := chargebee.New(config)
	service.AddSubscription(chargebee.Subscription{
		ID: "ada-1", CustomerID: "ada",
		Plan: chargebee.Plan{ItemPriceID: "basic-USD-Monthly", Description: "Basic", UnitAmount: 500, Quantity: 2},
	})
	service.AddSubscription(chargebee.Subscription{ID: "ada-2", CustomerID: "ada"})
	service.AddSubscription(chargebee.Subscription{ID: "bob-1", CustomerID: "bob"})
	return site{service, t}
}

// renew makes a pending invoice.
func (s site) renew(subscriptionIDs ...string) chargebee.Invoice {
	s.t.Helper()
	invoice, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: subscriptionIDs})
	if err != nil {
		s.t.Fatal(err)
	}
	return invoice
}

// response is a decoded response.
type response struct {
	status   int
	header   http.Header
	raw      string
	replayed bool
	Invoice  chargebee.Invoice
	List     []struct{ Invoice chargebee.Invoice }
	Next     string `json:"next_offset"`
	Code     string `json:"api_error_code"`
	Type     string `json:"type"`
	Param    string `json:"param"`
	Message  string `json:"message"`
}

// request is a request to send; zero fields mean the values of an ordinary client.
type request struct {
	method string // POST
	path   string // below /api/v2/
	query  string
	form   string
	key    string // idempotency key
	header http.Header
}

var errCut = sandbox.ErrConnectionCut

// do sends a request through the in-process transport.
func (s site) do(r request) (response, error) {
	s.t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	sent, err := http.NewRequestWithContext(s.t.Context(), r.method,
		"http://site.chargebee.com/api/v2/"+r.path+"?"+r.query, strings.NewReader(r.form))
	if err != nil {
		s.t.Fatal(err)
	}
	sent.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(apiKey)))
	sent.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.key != "" {
		sent.Header.Set("chargebee-idempotency-key", r.key)
	}
	maps.Copy(sent.Header, r.header)
	received, err := sandbox.Transport{Handler: s.Service}.RoundTrip(sent)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = received.Body.Close() }()
	body, err := io.ReadAll(received.Body)
	if err != nil {
		return response{}, err
	}
	answer := response{status: received.StatusCode, header: received.Header, raw: string(body)}
	answer.replayed = received.Header.Get("chargebee-idempotency-replayed") == "true"
	if strings.HasPrefix(received.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &answer); err != nil {
			s.t.Fatalf("answer %q: %v", body, err)
		}
	}
	return answer, nil
}

// must returns do for a call that has to be answered.
func (s site) must(r request) response {
	s.t.Helper()
	answer, err := s.do(r)
	if err != nil {
		s.t.Fatalf("%s: %v", r.path, err)
	}
	return answer
}

func (s site) charge(invoiceID, amount, key string) response {
	s.t.Helper()
	return s.must(chargeRequest(invoiceID, amount, key))
}

func chargeRequest(invoiceID, amount, key string) request {
	form := url.Values{"amount": {amount}, "description": {"usage"}}
	return request{path: "invoices/" + invoiceID + "/add_charge", form: form.Encode(), key: key}
}

func (s site) get(invoiceID, query string) response {
	s.t.Helper()
	return s.must(request{method: http.MethodGet, path: "invoices/" + invoiceID, query: query})
}

// amounts returns the amounts of an invoice's one-time charges.
func (s site) amounts(invoiceID string) []int64 {
	s.t.Helper()
	invoice, ok := s.Invoice(invoiceID)
	if !ok {
		s.t.Fatalf("no invoice %s", invoiceID)
	}
	amounts := []int64{}
	for _, line := range invoice.LineItems {
		if line.EntityType == chargebee.EntityAdhoc {
			amounts = append(amounts, line.Amount)
		}
	}
	return amounts
}

func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	var refusal *chargebee.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

// TestDate: the header Date has the site's time, not the machine's.
func TestDate(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 2, 3, 4, 5, 6, 999, time.UTC)
	s := newSite(t, chargebee.Config{Now: func() time.Time { return at }})
	if got := s.get(s.renew("ada-1").ID, "").header.Get("Date"); got != "Sun, 03 Feb 2030 04:05:06 GMT" {
		t.Errorf("got %q", got)
	}
}
