package chargebee_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// The fields of a charge for tax providers are kept as they were sent, and no response shows them.
func TestTaxFields(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	add := func(more string) response {
		return s.must(request{path: "invoices/" + draft.ID + "/add_charge", form: "amount=5&description=x" + more})
	}
	answer := add("&avalara_sale_type=vendor_use&avalara_transaction_type=0&avalara_service_type=600&avalara_tax_code=P1&hsn_code=0815&taxjar_product_code=31000")
	if answer.status != http.StatusOK || strings.Contains(answer.raw, "31000") || strings.Contains(answer.raw, "avalara") {
		t.Errorf("%d %s", answer.status, answer.raw)
	}
	if plain := add(""); plain.status != http.StatusOK {
		t.Errorf("%d %s", plain.status, plain.raw)
	}
	for _, wrong := range []string{"&avalara_sale_type=sold", "&avalara_transaction_type=-1", "&avalara_service_type=x", "&hsn_code=" + strings.Repeat("0", 51)} {
		if refused := add(wrong); refused.status != http.StatusBadRequest || !strings.Contains(refused.raw, "param_wrong_value") {
			t.Errorf("%s: %d %s", wrong, refused.status, refused.raw)
		}
	}
	kept, _ := s.Invoice(draft.ID)
	want := []chargebee.Tax{{}, {
		AvalaraSaleType: "vendor_use", AvalaraTransactionType: "0", AvalaraServiceType: "600", AvalaraTaxCode: "P1",
		HSNCode: "0815", TaxJarProductCode: "31000",
	}, {}}
	for i, line := range kept.LineItems {
		if line.Tax != want[i] {
			t.Errorf("line %d: %+v", i, line.Tax)
		}
	}
	if len(kept.LineItems) != 3 {
		t.Errorf("%d lines", len(kept.LineItems))
	}
}
