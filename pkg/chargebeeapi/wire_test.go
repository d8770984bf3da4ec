package chargebeeapi_test

import (
	"cmp"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
)

// keyOf reads the API key of a request. The SDK leaves the colon of basic credentials
// away, so that Go's own reading fails.
func keyOf(r *http.Request) string {
	encoded, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return ""
	}
	return strings.TrimSuffix(string(decoded), ":")
}

// sent is a request as it was on the wire.
type sent struct {
	target string // method and path with query, as written
	host   string
	body   string
	header http.Header
}

// record returns a client whose calls succeed, and a function that returns the last request.
func record(t *testing.T, baseURL string) (*chargebeeapi.Client, func() sent) {
	t.Helper()
	var last sent
	client := newClient(t, chargebeeapi.Config{
		BaseURL: cmp.Or(baseURL, "https://acme-test.chargebee.com"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			var body []byte
			if r.Body != nil {
				var err error
				if body, err = io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
			}
			last = sent{
				target: r.Method + " " + r.URL.Scheme + "://" + r.URL.Host + r.URL.RequestURI(),
				host:   r.Host,
				body:   string(body),
				header: r.Header,
			}
			return &http.Response{
				StatusCode: http.StatusOK,
				Body:       io.NopCloser(strings.NewReader(`{"invoice":{"id":"1"},"list":[]}`)),
			}, nil
		}),
	})
	return client, func() sent { return last }
}

// A repeated charge must have equal bytes, also from another version of this program: Chargebee answers
// 422 to a key with another payload. A changed expectation here breaks charges that are in doubt during
// an upgrade.
func TestClient_WireForm(t *testing.T) {
	t.Parallel()
	client, last := record(t, "")
	call := map[string]func() error{
		"add_charge": func() error {
			wanted := charge("draft_inv_1")
			wanted.Description = `3 "events" & <more> über 日本 + 50% [abcdefghijkl]`
			wanted.SubscriptionID = "sub/1"
			_, err := client.AddCharge(t.Context(), permit(), wanted)
			return err
		},
		"add_charge, no subscription": func() error {
			_, err := client.AddCharge(t.Context(), permit(), charge("draft_inv_1"))
			return err
		},
		"add_charge, tax": func() error {
			wanted := charge("draft_inv_1")
			wanted.Tax = billing.Tax{
				TaxJarProductCode: "31000", HSNCode: "998313", AvalaraSaleType: "vendor_use",
				AvalaraTransactionType: new(int32), AvalaraServiceType: new(int32(600)), AvalaraTaxCode: "P 1",
			}
			_, err := client.AddCharge(t.Context(), permit(), wanted)
			return err
		},
		"add_charge_item": func() error {
			_, err := client.AddCharge(t.Context(), permit(), itemCharge("draft_inv_1"))
			return err
		},
		"add_charge_item, subscription": func() error {
			wanted := itemCharge("draft_inv_1")
			wanted.SubscriptionID = "sub/1"
			_, err := client.AddCharge(t.Context(), permit(), wanted)
			return err
		},
		"close": func() error {
			_, err := client.Close(t.Context(), permit(), billing.Close{InvoiceID: "draft_inv_1", IdempotencyKey: "key-2"})
			return err
		},
		"retrieve": func() error {
			_, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_inv_1"})
			return err
		},
		"retrieve, page": func() error {
			_, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_inv_1", Offset: "cursor/1="})
			return err
		},
		"retrieve, escaped": func() error {
			_, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "INV/1 ?#%ü"})
			return err
		},
		"list": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{CustomerID: "ada", UpdatedAfter: 1_700_000_000})
			return err
		},
		"list, next page": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{CustomerID: "ada & co", Offset: `["1","2"]`})
			return err
		},
		"list, subscription": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{SubscriptionID: "ada-1"})
			return err
		},
		"list, pending": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{Pending: true, Offset: `["1","2"]`})
			return err
		},
		"list, one": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{InvoiceID: "draft_inv_1", Limit: 25})
			return err
		},
		"list, changed": func() error {
			_, err := client.ListInvoices(t.Context(), permit(), billing.InvoiceQuery{UpdatedAfter: 1_700_000_000, IncludeDeleted: true})
			return err
		},
		"add_charge_item, quantity": func() error {
			wanted := itemCharge("draft_inv_1")
			wanted.Quantity = 1
			_, err := client.AddCharge(t.Context(), permit(), wanted)
			return err
		},
		"list, for the time": func() error {
			_, err := client.Time(t.Context(), permit())
			return err
		},
	}
	const root = "https://acme-test.chargebee.com/api/v2"
	for name, want := range map[string]sent{
		"add_charge": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge",
			body: "amount=12345&description=3+%22events%22+%26+%3Cmore%3E+%C3%BCber+%E6%97%A5%E6%9C%AC+%2B+50%25+%5Babcdefghijkl%5D" +
				"&line_item%5Bdate_from%5D=1700000000&line_item%5Bdate_to%5D=1702592000&subscription_id=sub%2F1",
		},
		"add_charge, no subscription": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge",
			body: "amount=12345&description=API+calls+%283%29+%5Babcdefghijkl%5D" +
				"&line_item%5Bdate_from%5D=1700000000&line_item%5Bdate_to%5D=1702592000",
		},
		"add_charge, tax": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge",
			body: "amount=12345&avalara_sale_type=vendor_use&avalara_service_type=600&avalara_tax_code=P+1&avalara_transaction_type=0" +
				"&description=API+calls+%283%29+%5Babcdefghijkl%5D&hsn_code=998313" +
				"&line_item%5Bdate_from%5D=1700000000&line_item%5Bdate_to%5D=1702592000&taxjar_product_code=31000",
		},
		"add_charge_item": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge_item",
			body: "item_price%5Bdate_from%5D=1700000000&item_price%5Bdate_to%5D=1702592000" +
				"&item_price%5Bitem_price_id%5D=sms-USD+%26+more&item_price%5Bunit_price%5D=12345",
		},
		"add_charge_item, subscription": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge_item",
			body: "item_price%5Bdate_from%5D=1700000000&item_price%5Bdate_to%5D=1702592000" +
				"&item_price%5Bitem_price_id%5D=sms-USD+%26+more&item_price%5Bunit_price%5D=12345&subscription_id=sub%2F1",
		},
		"close":             {target: "POST " + root + "/invoices/draft_inv_1/close"},
		"retrieve":          {target: "GET " + root + "/invoices/draft_inv_1"},
		"retrieve, page":    {target: "GET " + root + "/invoices/draft_inv_1?line_items_offset=cursor%2F1%3D"},
		"retrieve, escaped": {target: "GET " + root + "/invoices/INV%2F1%20%3F%23%25%C3%BC"},
		"list": {target: "GET " + root + "/invoices?customer_id%5Bis%5D=ada&limit=100&sort_by%5Basc%5D=updated_at" +
			"&updated_at%5Bafter%5D=1700000000"},
		"list, next page": {target: "GET " + root + "/invoices?customer_id%5Bis%5D=ada+%26+co&limit=100" +
			"&offset=%5B%221%22%2C%222%22%5D&sort_by%5Basc%5D=updated_at"},
		"list, pending":      {target: "GET " + root + "/invoices?limit=100&offset=%5B%221%22%2C%222%22%5D&sort_by%5Basc%5D=date&status%5Bis%5D=pending"},
		"list, subscription": {target: "GET " + root + "/invoices?limit=100&sort_by%5Basc%5D=updated_at&subscription_id%5Bis%5D=ada-1"},
		"list, one":          {target: "GET " + root + "/invoices?id%5Bis%5D=draft_inv_1&limit=25"},
		"list, changed":      {target: "GET " + root + "/invoices?include_deleted=true&limit=100&sort_by%5Basc%5D=updated_at&updated_at%5Bafter%5D=1700000000"},
		"add_charge_item, quantity": {
			target: "POST " + root + "/invoices/draft_inv_1/add_charge_item",
			body: "item_price%5Bdate_from%5D=1700000000&item_price%5Bdate_to%5D=1702592000" +
				"&item_price%5Bitem_price_id%5D=sms-USD+%26+more&item_price%5Bquantity%5D=1&item_price%5Bunit_price%5D=12345",
		},
		"list, for the time": {target: "GET " + root + "/invoices?limit=1"},
	} {
		if err := call[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := last()
		if got.target != want.target || got.body != want.body {
			t.Errorf("%s was\n%s\n%s\nwant\n%s\n%s", name, got.target, got.body, want.target, want.body)
		}
		if got.host != "acme-test.chargebee.com" {
			t.Errorf("%s went to the host %q", name, got.host)
		}
	}
}

// itemCharge is the charge of an item price.
func itemCharge(invoiceID string) billing.Charge {
	item := charge(invoiceID)
	item.ItemPriceID, item.Description = "sms-USD & more", ""
	return item
}

// The headers of a POST are always equal: the random key of the SDK is not among them.
func TestClient_Headers(t *testing.T) {
	t.Parallel()
	client, last := record(t, "")
	var first http.Header
	for range 2 {
		if _, err := client.AddCharge(t.Context(), permit(), charge("draft_1")); err != nil {
			t.Fatal(err)
		}
		header := last().header
		if first == nil {
			first = header
		}
		if !maps.EqualFunc(first, header, slices.Equal) {
			t.Errorf("headers\n%v, before\n%v", header, first)
		}
	}
	want := []string{
		"Accept", "Accept-Charset", "Authorization", "Chargebee-Idempotency-Key", "Chargebee-Response-Schema-Type", "Content-Type",
		"Lang-Version", "Os-Version", "User-Agent", "X-Cb-Retry-Attempt",
	}
	if names := slices.Sorted(maps.Keys(first)); !slices.Equal(names, want) {
		t.Errorf("headers %v, want %v", names, want)
	}
	for name, value := range map[string]string{
		"Chargebee-Idempotency-Key":      "key-1",
		"Chargebee-Response-Schema-Type": "items",
		"Content-Type":                   "application/x-www-form-urlencoded",
		"Authorization":                  "Basic " + base64.StdEncoding.EncodeToString([]byte(apiKey)),
		"X-Cb-Retry-Attempt":             "1",
	} {
		if got := first.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}

	for range 2 {
		if _, err := client.AddCharge(t.Context(), permit(), itemCharge("draft_1")); err != nil {
			t.Fatal(err)
		}
		if header := last().header; !maps.EqualFunc(first, header, slices.Equal) {
			t.Errorf("add_charge_item has the headers\n%v, add_charge\n%v", header, first)
		}
	}
	if _, err := client.Close(t.Context(), permit(), billing.Close{InvoiceID: "draft_1", IdempotencyKey: "key-2"}); err != nil {
		t.Fatal(err)
	}
	if got := last().header; got.Get("Chargebee-Idempotency-Key") != "key-2" || got.Get("X-Cb-Idempotency-Key") != "" {
		t.Errorf("close has the headers %v", got)
	}
	if _, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_1"}); err != nil {
		t.Fatal(err)
	}
	if got := last().header; got.Get("Chargebee-Idempotency-Key") != "" {
		t.Errorf("a GET has the idempotency key %q", got)
	}
}
