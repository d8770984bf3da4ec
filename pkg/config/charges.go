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

// Charges configures charge codes, by code.
type Charges map[string]Charge

// Charge defines a charge code at Chargebee: an item price, or an ad-hoc line with
// fields for a tax provider. Names and limits are those of Chargebee's API.
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
	chargesKey   = "charges"
	itemPriceID  = "item_price_id"
	pricingModel = "pricing_model"
)

// PerUnit is the pricing model of item prices that are charged with a quantity.
const PerUnit = "per_unit"

var (
	// pricingModels are those with which a call can set the price.
	pricingModels = []string{"flat_fee", PerUnit}
	saleTypes     = []string{"wholesale", "retail", "consumed", "vendor_use"}
)

var chargeFields = map[string]func(*Charge, any) error{
	itemPriceID:                func(c *Charge, value any) error { return parseText(&c.ItemPriceID, value, 100) },
	pricingModel:               func(c *Charge, value any) error { return parseChoice(&c.PricingModel, value, pricingModels) },
	"taxjar_product_code":      func(c *Charge, value any) error { return parseText(&c.TaxJarProductCode, value, 50) },
	"hsn_code":                 func(c *Charge, value any) error { return parseText(&c.HSNCode, value, 50) },
	"avalara_tax_code":         func(c *Charge, value any) error { return parseText(&c.AvalaraTaxCode, value, 50) },
	"avalara_sale_type":        func(c *Charge, value any) error { return parseChoice(&c.AvalaraSaleType, value, saleTypes) },
	"avalara_transaction_type": func(c *Charge, value any) error { return parseInt32(&c.AvalaraTransactionType, value) },
	"avalara_service_type":     func(c *Charge, value any) error { return parseInt32(&c.AvalaraServiceType, value) },
}

// readCharges reads the charge codes from their section of the file. Charge codes may
// contain dots, so their section is not flattened. A code or a text that YAML parses as
// another type (1.10, 0815, true) has lost its written form and is refused.
func (f *fieldErrors) readCharges(into *Charges, section any) {
	codes, ok := mapping(section)
	if !ok {
		f.require(section == nil, chargesKey, "must map charge codes to their fields")
		return
	}
	charges := Charges{}
	codeOf := map[string]string{} // by item price
	for _, code := range slices.SortedFunc(maps.Keys(codes), compareText) {
		key := fmt.Sprintf("%s.%v", chargesKey, code)
		name, isText := code.(string)
		if !isText {
			f.add(key, "charge code is not a string: put it in quotes")
			continue
		}
		f.require(name != "", key, "charge code is empty")
		charge := f.readCharge(key, codes[code])
		if other, taken := codeOf[charge.ItemPriceID]; taken && charge.ItemPriceID != "" {
			f.add(key+"."+itemPriceID, fmt.Sprintf("item price %q is also that of %q: their lines would be indistinguishable", charge.ItemPriceID, other))
		}
		codeOf[charge.ItemPriceID] = name
		charges[name] = charge
	}
	if len(charges) > 0 {
		*into = charges
	}
}

func (f *fieldErrors) readCharge(key string, content any) (charge Charge) {
	values, ok := mapping(content)
	if !ok || len(values) == 0 {
		f.add(key, "charge code has no fields: set "+itemPriceID+" or fields for a tax provider")
		return charge
	}
	var taxes []string
	for _, name := range slices.SortedFunc(maps.Keys(values), compareText) {
		fieldKey := fmt.Sprintf("%s.%v", key, name)
		text, _ := name.(string)
		parse, known := chargeFields[text]
		if !known {
			f.add(fieldKey, "unknown setting")
			continue
		}
		if err := parse(&charge, values[name]); err != nil {
			f.add(fieldKey, err.Error())
		}
		if text != itemPriceID && text != pricingModel {
			taxes = append(taxes, text)
		}
	}
	f.require(charge.PricingModel == "" || charge.ItemPriceID != "", key+"."+pricingModel, "a pricing model needs "+itemPriceID)
	if _, ok := values[itemPriceID]; ok && len(taxes) > 0 {
		f.add(key+"."+itemPriceID, "item prices have their own tax fields: remove "+strings.Join(taxes, ", "))
	}
	return charge
}

// mapping returns a YAML mapping with keys of any type.
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

func compareText(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

func parseText(into *string, value any, maxRunes int) error {
	text, ok := value.(string)
	switch length := utf8.RuneCountInString(text); {
	case value == nil || ok && text == "":
		return errors.New("must not be empty")
	case !ok:
		return errors.New("not a string: put it in quotes")
	case length > maxRunes:
		return fmt.Errorf("has %d characters, at most %d are allowed", length, maxRunes)
	}
	*into = text
	return nil
}

func parseChoice(into *string, value any, choices []string) error {
	text, ok := value.(string)
	if !ok || !slices.Contains(choices, text) {
		return errors.New(invalidChoice(fmt.Sprint(value), choices))
	}
	*into = text
	return nil
}

func parseInt32(into **int32, value any) error {
	number, ok := value.(int)
	if !ok || number < 0 || number > math.MaxInt32 {
		return fmt.Errorf("invalid integer %q: must be from 0 to %d", fmt.Sprint(value), math.MaxInt32)
	}
	*into = new(int32(number))
	return nil
}
