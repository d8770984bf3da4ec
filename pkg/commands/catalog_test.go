package commands_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// unmarked is the line of a table without a marker.
var unmarked = regexp.MustCompile(` - +added`)

func TestRun_ChargesOfCatalog(t *testing.T) {
	for name, test := range map[string]struct {
		charge string // what calls are
		line   chargebee.LineItem
		marked bool
	}{
		"an item price": {
			"item_price_id: calls-EUR",
			chargebee.LineItem{EntityType: chargebee.EntityChargeItemPrice, EntityID: "calls-EUR"},
			false,
		},
		"tax fields": {
			`{taxjar_product_code: "31000", hsn_code: "0815", avalara_sale_type: retail, avalara_transaction_type: 0, avalara_service_type: 6, avalara_tax_code: D1}`,
			chargebee.LineItem{EntityType: chargebee.EntityAdhoc, Tax: chargebee.Tax{
				TaxJarProductCode: "31000", HSNCode: "0815", AvalaraSaleType: "retail",
				AvalaraTransactionType: "0", AvalaraServiceType: "6", AvalaraTaxCode: "D1",
			}},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			if err := d.chargebee.AddItemPrice(chargebee.ItemPrice{ID: "calls-EUR", CurrencyCode: "EUR"}); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "consumer.yaml")
			if err := os.WriteFile(file, []byte("charges:\n  calls:\n    "+test.charge+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			d.flags = []string{"--config", file}
			d.must("tables", "create")
			d.event("sub", "e1", "12.5", "EUR")
			id, body := d.renew("sub")
			r := d.start()
			d.send(body)
			if entry := r.await(t, "message handled"); entry["outcome"] != "closed" {
				t.Fatalf("got %v", entry)
			}
			r.stop()

			var shown struct {
				FinalInvoiceID string `json:"final_invoice_id"`
				Lines          []struct {
					Amount int64
					Marker *string
				}
			}
			if err := json.Unmarshal([]byte(d.must("invoice", "show", id, "--output", "json")), &shown); err != nil {
				t.Fatal(err)
			}
			if len(shown.Lines) != 1 || shown.Lines[0].Amount != 12 || (shown.Lines[0].Marker != nil) != test.marked {
				t.Errorf("got %+v", shown)
			}
			if table := d.must("invoice", "show", id); unmarked.MatchString(table) == test.marked {
				t.Errorf("got %s", table)
			}
			invoice, _ := d.chargebee.Invoice(shown.FinalInvoiceID)
			line := invoice.LineItems[1]
			if line.Amount != 12 || line.EntityType != test.line.EntityType || line.EntityID != test.line.EntityID || line.Tax != test.line.Tax {
				t.Errorf("got %+v", line)
			}
		})
	}
}
