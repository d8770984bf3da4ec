package chargebeeapi_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/chargebeeapi"
)

// BenchmarkClient_AddCharge measures calls without a network. For an invoice of n lines, n
// responses are read, with 1 to n lines.
func BenchmarkClient_AddCharge(b *testing.B) {
	for _, lines := range []int{1, 100, 750} {
		var items []string
		for n := range lines {
			items = append(items, fmt.Sprintf(`{"id":"li_%08d","date_from":1700000000,"date_to":1702592000,"unit_amount":12345,`+
				`"quantity":1,"amount":12345,"pricing_model":"flat_fee","is_taxed":false,"tax_amount":0,"object":"line_item",`+
				`"subscription_id":"sub_1","customer_id":"ada","description":"API calls (3) [abcdefghijkl]","entity_type":"adhoc",`+
				`"tax_exempt_reason":"tax_not_configured","discount_amount":0,"item_level_discount_amount":0,"metered":false}`, n))
		}
		body := `{"invoice":{"id":"draft_1","customer_id":"ada","status":"pending","date":1700000000,"line_items":[` + strings.Join(items, ",") + `]}}`
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			client, err := chargebeeapi.New(chargebeeapi.Config{
				BaseURL: "https://acme-test.chargebee.com", APIKey: apiKey, Now: stopped,
				Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
				}),
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.AddCharge(b.Context(), permit(), charge("draft_1")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
