package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/config"
)

// TestCharges keeps charge codes as they are written: with dots, in upper case, with
// other words of YAML in quotes.
func TestCharges_KeepCodesAsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want config.Charges
	}{
		"none":            {"charges:\n", nil},
		"an empty map":    {"charges: {}\n", nil},
		"an empty file":   {"", nil},
		"other settings":  {"invoice:\n  close: true\n", nil},
		"an item price":   {"charges:\n  sms:\n    item_price_id: sms-EUR\n", config.Charges{"sms": {ItemPriceID: "sms-EUR"}}},
		"dots":            {"charges:\n  storage.GB.month:\n    hsn_code: \"0815\"\n", config.Charges{"storage.GB.month": {HSNCode: "0815"}}},
		"upper case":      {"charges:\n  SMS: {item_price_id: A}\n  sms: {item_price_id: B}\n", config.Charges{"SMS": {ItemPriceID: "A"}, "sms": {ItemPriceID: "B"}}},
		"quoted":          {"charges:\n  \"1.10\": {item_price_id: A}\n  'true': {item_price_id: B}\n", config.Charges{"1.10": {ItemPriceID: "A"}, "true": {ItemPriceID: "B"}}},
		"names of fields": {"charges:\n  item_price_id: {item_price_id: A}\n", config.Charges{"item_price_id": {ItemPriceID: "A"}}},
		"tax fields": {
			"charges:\n  calls:\n    taxjar_product_code: \"31000\"\n    avalara_sale_type: vendor_use\n    avalara_transaction_type: 0\n    avalara_service_type: 2147483647\n    avalara_tax_code: P1\n",
			config.Charges{"calls": {TaxJarProductCode: "31000", AvalaraSaleType: "vendor_use", AvalaraTransactionType: new(int32), AvalaraServiceType: new(int32(2147483647)), AvalaraTaxCode: "P1"}},
		},
		"fields that two codes share": {
			"charges:\n  calls: &tax\n    hsn_code: \"998313\"\n  storage: *tax\n  seats:\n    <<: *tax\n    avalara_tax_code: P1\n",
			config.Charges{"calls": {HSNCode: "998313"}, "storage": {HSNCode: "998313"}, "seats": {HSNCode: "998313", AvalaraTaxCode: "P1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A variable cannot name a charge code, nor replace them all.
			settings, warnings, err := config.LoadConsumer(config.Source{AllowUnknownEnv: true, File: write(t, test.file), Environ: []string{
				"BILLABLE_CHARGES=x", "BILLABLE_CHARGES_SMS_ITEM_PRICE_ID=x",
			}})
			if err != nil || len(warnings) != 2 {
				t.Fatal(err, warnings)
			}
			if diff := cmp.Diff(test.want, settings.Charges); diff != "" {
				t.Errorf("charges (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCharges_Example reads what configs/consumer.yaml shows in its comment.
func TestCharges_Example(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(configs, "consumer.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(content), "# charges:\n")
	example, _, found := strings.Cut(example, "charges: {}")
	if !found {
		t.Fatal("example is missing")
	}
	settings, _, err := config.LoadConsumer(config.Source{File: write(t, "charges:"+strings.ReplaceAll("\n"+example, "\n#", "\n"))})
	if err != nil || len(settings.Charges) != 2 || settings.Charges["sms.eu"].ItemPriceID == "" || *settings.Charges["storage"].AvalaraServiceType != 6 {
		t.Errorf("got %+v, %v", settings.Charges, err)
	}
}

func TestCharges_Invalid(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 51)
	for name, test := range map[string]struct {
		file string // below charges:
		keys []string
	}{
		"no map":              {" calls", []string{"charges"}},
		"a list":              {"\n  - calls", []string{"charges"}},
		"nothing of a code":   {"\n  a.b:\n  c: {}\n  d: sms-EUR", []string{"charges.a.b", "charges.c", "charges.d"}},
		"an unknown key":      {"\n  A.b: {item_price: x}", []string{"charges.A.b.item_price"}},
		"a code that is none": {"\n  1.10: {item_price_id: x}\n  true: {item_price_id: y}\n  \"\": {item_price_id: z}", []string{"charges.", "charges.1.1", "charges.true"}},
		"a dotted path":       {" {}\ncharges.calls:\n  item_price_id: x", []string{"charges.calls.item_price_id"}},
		"an item's own tax":   {"\n  a: {item_price_id: x, hsn_code: y}", []string{"charges.a.item_price_id"}},
		"one item price for two codes": {
			"\n  a: {item_price_id: x}\n  b: {item_price_id: y}\n  c: {item_price_id: x}", []string{"charges.c.item_price_id"},
		},
		"too long": {
			"\n  a: {item_price_id: " + long + long + "}\n  b: {hsn_code: " + long + ", taxjar_product_code: " + long + ", avalara_tax_code: " + long + "}",
			[]string{"charges.a.item_price_id", "charges.b.avalara_tax_code", "charges.b.hsn_code", "charges.b.taxjar_product_code"},
		},
		"texts that are none": {
			"\n  a: {item_price_id: 7}\n  b: {hsn_code: 0815, taxjar_product_code: [x], avalara_tax_code: }",
			[]string{"charges.a.item_price_id", "charges.b.avalara_tax_code", "charges.b.hsn_code", "charges.b.taxjar_product_code"},
		},
		"types that are none": {
			"\n  a: {avalara_transaction_type: -1, avalara_service_type: 2147483648}\n  b: {avalara_transaction_type: \"1\", avalara_service_type: 1.5, avalara_sale_type: sold}",
			[]string{"charges.a.avalara_service_type", "charges.a.avalara_transaction_type", "charges.b.avalara_sale_type", "charges.b.avalara_service_type", "charges.b.avalara_transaction_type"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := config.LoadConsumer(config.Source{File: write(t, "charges:"+test.file+"\n")})
			wantErrors(t, err, test.keys...)
		})
	}
}

// FuzzCharges reads any YAML: what is accepted can be sent to Chargebee.
func FuzzCharges(f *testing.F) {
	f.Add("\n  sms.EU: {item_price_id: x}\n  \"1.10\": {hsn_code: \"0815\", avalara_service_type: 0}")
	f.Add(" [x]")
	f.Add("\n  ? [a, b]\n  : {item_price_id: x}\n  2001-01-01: ~")
	f.Add("\n  a: &a {hsn_code: x}\n  b: {<<: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("charges:"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, _, err := config.LoadConsumer(config.Source{File: file})
		if err != nil {
			return
		}
		sold := map[string]bool{}
		for code, charge := range settings.Charges {
			item, tax := charge.ItemPriceID != "", charge != config.Charge{ItemPriceID: charge.ItemPriceID}
			if code == "" || item == tax || item && sold[charge.ItemPriceID] {
				t.Errorf("%q: %q is %+v", text, code, charge)
			}
			sold[charge.ItemPriceID] = true
		}
	})
}
