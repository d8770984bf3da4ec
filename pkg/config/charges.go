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

// Charges maps charge codes to their definitions.
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
	// pricingModels are the pricing models for which a call can set the price.
	pricingModels = []string{"flat_fee", PerUnit}
	saleTypes     = []string{"wholesale", "retail", "consumed", "vendor_use"}
)

// chargeFields maps the keys of a charge code to functions that parse and set their fields.
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

// readCharges reads the charge codes from their section of the file. It is not flattened,
// because charge codes may contain dots. A code or a text that YAML parses as another type
// (1.10, 0815, true) is an error, because its written form is lost.
func (f *fieldErrors) readCharges(target *Charges, section any) {
	codes, ok := mapping(section)
	if !ok {
		f.require(section == nil, chargesKey, "must map charge codes to their fields")
		return
	}
	charges := Charges{}
	codesByItemPrice := map[string]string{}
	for _, code := range slices.SortedFunc(maps.Keys(codes), compareText) {
		key := fmt.Sprintf("%s.%v", chargesKey, code)
		name, isText := code.(string)
		if !isText {
			f.add(key, "charge code is not a string: put it in quotes")
			continue
		}
		f.require(name != "", key, "charge code is empty")
		charge := f.readCharge(key, codes[code])
		if other, taken := codesByItemPrice[charge.ItemPriceID]; taken && charge.ItemPriceID != "" {
			f.add(key+"."+itemPriceID, fmt.Sprintf("item price %q is also that of %q: their lines would be indistinguishable", charge.ItemPriceID, other))
		}
		codesByItemPrice[charge.ItemPriceID] = name
		charges[name] = charge
	}
	if len(charges) > 0 {
		*target = charges
	}
}

func (f *fieldErrors) readCharge(key string, content any) (charge Charge) {
	values, ok := mapping(content)
	if !ok || len(values) == 0 {
		f.add(key, "charge code has no fields: set "+itemPriceID+" or fields for a tax provider")
		return charge
	}
	var taxFields []string
	for _, rawName := range slices.SortedFunc(maps.Keys(values), compareText) {
		fieldKey := fmt.Sprintf("%s.%v", key, rawName)
		name, _ := rawName.(string)
		parse, known := chargeFields[name]
		if !known {
			f.add(fieldKey, "unknown setting")
			continue
		}
		if err := parse(&charge, values[rawName]); err != nil {
			f.add(fieldKey, err.Error())
		}
		if name != itemPriceID && name != pricingModel {
			taxFields = append(taxFields, name)
		}
	}
	f.require(charge.PricingModel == "" || charge.ItemPriceID != "", key+"."+pricingModel, "a pricing model needs "+itemPriceID)
	if _, ok := values[itemPriceID]; ok && len(taxFields) > 0 {
		f.add(key+"."+itemPriceID, "item prices have their own tax fields: remove "+strings.Join(taxFields, ", "))
	}
	return charge
}

// mapping returns a YAML mapping with keys of any type; ok is false if the content is none.
func mapping(content any) (_ map[any]any, ok bool) {
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

// parseText and the functions below set the target to a value from YAML if it is valid.
func parseText(target *string, value any, maxRunes int) error {
	text, ok := value.(string)
	switch length := utf8.RuneCountInString(text); {
	case value == nil, value == "":
		return errors.New("must not be empty")
	case !ok:
		return errors.New("not a string: put it in quotes")
	case length > maxRunes:
		return fmt.Errorf("has %d characters, at most %d are allowed", length, maxRunes)
	}
	*target = text
	return nil
}

func parseChoice(target *string, value any, choices []string) error {
	text, ok := value.(string)
	if !ok || !slices.Contains(choices, text) {
		return errors.New(invalidChoice(fmt.Sprint(value), choices))
	}
	*target = text
	return nil
}

func parseInt32(target **int32, value any) error {
	number, ok := value.(int)
	if !ok || number < 0 || number > math.MaxInt32 {
		return fmt.Errorf("invalid integer %q: must be from 0 to %d", fmt.Sprint(value), math.MaxInt32)
	}
	*target = new(int32(number))
	return nil
}
