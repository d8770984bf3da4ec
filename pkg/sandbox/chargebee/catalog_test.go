package chargebee_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// GETs of a site with both catalogs show item prices as plans and addons,
// unless they ask for items.
func TestBothCatalogs(t *testing.T) {
	t.Parallel()
	const (
		items  = "plan_item_price basic-USD-Monthly, charge_item_price setup, adhoc "
		compat = "plan compat-basic-USD-Monthly, addon compat-setup, adhoc "
	)
	describe := func(invoice chargebee.Invoice) string {
		var lines []string
		for _, line := range invoice.LineItems {
			lines = append(lines, line.EntityType+" "+line.EntityID)
		}
		return strings.Join(lines, ", ")
	}
	for _, test := range []struct {
		name   string
		both   bool
		schema string
		want   string
	}{
		{name: "one catalog", want: items},
		{name: "both", both: true, want: compat},
		{name: "both, items", both: true, schema: "items", want: items},
		{name: "both, compat", both: true, schema: "compat", want: compat},
	} {
		s := newSite(t, chargebee.Config{BothCatalogs: test.both})
		s.sell()
		draft := s.renew("ada-1")
		s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup"))
		if got := describe(s.charge(draft.ID, "5", "").Invoice); got != items {
			t.Errorf("%s: a charge is answered with %s", test.name, got)
		}
		header := http.Header{}
		if test.schema != "" {
			header.Set("chargebee-response-schema-type", test.schema)
		}
		retrieved := s.must(request{method: http.MethodGet, path: "invoices/" + draft.ID, header: header}).Invoice
		listed := s.must(request{method: http.MethodGet, path: "invoices", header: header}).List[0].Invoice
		for _, got := range []string{describe(retrieved), describe(listed)} {
			if got != test.want {
				t.Errorf("%s: %s, want %s", test.name, got, test.want)
			}
		}
		if kept, _ := s.Invoice(draft.ID); describe(kept) != items {
			t.Errorf("%s: a GET changed the invoice to %s", test.name, describe(kept))
		}
	}
}
