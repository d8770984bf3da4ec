package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Charges says what charge codes are at Chargebee, by code. The environment cannot name
// them.
type Charges map[string]Charge

// Charge is what one charge code is: an item price, or an ad-hoc line with fields for a
// tax provider. Their names and limits are those of Chargebee's calls.
// https://apidocs.chargebee.com/docs/api/invoices
type Charge struct {
	ItemPriceID  string
	PricingModel string // of the item price: flat_fee or per_unit; empty is flat_fee

	TaxJarProductCode      string
	HSNCode                string
	AvalaraSaleType        string // wholesale, retail, consumed or vendor_use
	AvalaraTransactionType *int32
	AvalaraServiceType     *int32
	AvalaraTaxCode         string
}

const (
	itemPriceID  = "item_price_id"
	pricingModel = "pricing_model"
)

// PerUnit is the pricing model of item prices that are charged with a quantity.
const PerUnit = "per_unit"

// pricingModels are those that let a call set the price.
var pricingModels = []string{"flat_fee", PerUnit}

// chargeFields reads the keys below a charge code.
var chargeFields = map[string]func(*Charge, any) error{
	itemPriceID:                func(c *Charge, value any) error { return readText(&c.ItemPriceID, value, 100) },
	pricingModel:               func(c *Charge, value any) error { return readChoice(&c.PricingModel, value, pricingModels) },
	"taxjar_product_code":      func(c *Charge, value any) error { return readText(&c.TaxJarProductCode, value, 50) },
	"hsn_code":                 func(c *Charge, value any) error { return readText(&c.HSNCode, value, 50) },
	"avalara_tax_code":         func(c *Charge, value any) error { return readText(&c.AvalaraTaxCode, value, 50) },
	"avalara_sale_type":        func(c *Charge, value any) error { return readChoice(&c.AvalaraSaleType, value, saleTypes) },
	"avalara_transaction_type": func(c *Charge, value any) error { return readInt32(&c.AvalaraTransactionType, value) },
	"avalara_service_type":     func(c *Charge, value any) error { return readInt32(&c.AvalaraServiceType, value) },
}

// readSection implements section. The values are as the YAML has them: a code or a text
// that YAML reads as something else (1.10, 0815, true) has lost its form by then, and
// is refused.
func (c *Charges) readSection(key string, content any) faults {
	var f faults
	codes, ok := mapping(content)
	if !ok {
		f.require(content == nil, key, "it does not map charge codes to what they are")
		return f
	}
	charges := Charges{}
	sellers := map[string]string{} // codes, by item price
	for _, code := range slices.SortedFunc(maps.Keys(codes), byText) {
		path := fmt.Sprintf("%s.%v", key, code)
		name, isText := code.(string)
		if !isText {
			f = append(f, Fault{path, "the charge code is no text: put it in quotes"})
			continue
		}
		f.require(name != "", path, "the charge code is empty")
		charge := readCharge(&f, path, codes[code])
		if other, taken := sellers[charge.ItemPriceID]; taken && charge.ItemPriceID != "" {
			f = append(f, Fault{path + "." + itemPriceID, fmt.Sprintf("%q is the item price of %q too: their lines could not be told apart", charge.ItemPriceID, other)})
		}
		sellers[charge.ItemPriceID] = name
		charges[name] = charge
	}
	if len(charges) > 0 {
		*c = charges
	}
	return f
}

// readCharge reads what stands below one charge code.
func readCharge(f *faults, path string, content any) Charge {
	var charge Charge
	values, ok := mapping(content)
	if !ok || len(values) == 0 {
		*f = append(*f, Fault{path, "it says nothing of the charge code: give " + itemPriceID + ", or fields for a tax provider"})
		return charge
	}
	var taxes []string
	for _, name := range slices.SortedFunc(maps.Keys(values), byText) {
		own := fmt.Sprintf("%s.%v", path, name)
		text, _ := name.(string)
		read, known := chargeFields[text]
		if !known {
			*f = append(*f, Fault{own, "unknown setting"})
			continue
		}
		if err := read(&charge, values[name]); err != nil {
			*f = append(*f, Fault{own, err.Error()})
		}
		if text != itemPriceID && text != pricingModel {
			taxes = append(taxes, text)
		}
	}
	f.require(charge.PricingModel == "" || charge.ItemPriceID != "", path+"."+pricingModel, "it is the pricing model of an item price: give "+itemPriceID+" with it")
	if _, sold := values[itemPriceID]; sold && len(taxes) > 0 {
		*f = append(*f, Fault{path + "." + itemPriceID, "the item carries its own tax fields: " + strings.Join(taxes, ", ") + " cannot be given with it"})
	}
	return charge
}

// mapping returns a YAML mapping, whatever its keys are.
func mapping(content any) (map[any]any, bool) {
	switch content := content.(type) {
	case map[any]any:
		return content, true
	case map[string]any:
		all := make(map[any]any, len(content))
		for key, value := range content {
			all[key] = value
		}
		return all, true
	default:
		return nil, false
	}
}

func byText(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

func readText(into *string, value any, most int) error {
	text, ok := value.(string)
	switch length := utf8.RuneCountInString(text); {
	case value == nil || ok && text == "":
		return errors.New("it is empty")
	case !ok:
		return errors.New("it is no text: put it in quotes")
	case length > most:
		return fmt.Errorf("it has %d characters, at most %d are possible", length, most)
	}
	*into = text
	return nil
}

var saleTypes = []string{"wholesale", "retail", "consumed", "vendor_use"}

func readChoice(into *string, value any, choices []string) error {
	text, ok := value.(string)
	if !ok || !slices.Contains(choices, text) {
		return fmt.Errorf("%q is none of %s", fmt.Sprint(value), strings.Join(choices, ", "))
	}
	*into = text
	return nil
}

func readInt32(into **int32, value any) error {
	number, ok := value.(int)
	if !ok || number < 0 || number > math.MaxInt32 {
		return fmt.Errorf("%q is no integer from 0 to %d", fmt.Sprint(value), math.MaxInt32)
	}
	*into = new(int32(number))
	return nil
}
