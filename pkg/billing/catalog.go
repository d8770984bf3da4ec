package billing

// Catalog maps charge codes to products. A code that is not in it becomes an ad-hoc line. No two codes
// have the same item price: their lines could not be distinguished.
type Catalog map[string]Product

// Product is an item price of Chargebee's product catalog, or an ad-hoc line with fields for a tax
// provider. An item price has its own tax fields.
type Product struct {
	ItemPriceID string
	PerUnit     bool // the pricing model of the item price is per_unit; otherwise it is flat_fee
	Tax         Tax
}

// Tax holds the fields of an ad-hoc line for tax providers. They are sent unchanged; empty and nil
// fields are not sent.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
type Tax struct {
	TaxJarProductCode      string `json:"taxjar_product_code,omitempty"`
	HSNCode                string `json:"hsn_code,omitempty"`
	AvalaraSaleType        string `json:"avalara_sale_type,omitempty"`
	AvalaraTransactionType *int32 `json:"avalara_transaction_type,omitempty"` // 0 is a value
	AvalaraServiceType     *int32 `json:"avalara_service_type,omitempty"`
	AvalaraTaxCode         string `json:"avalara_tax_code,omitempty"`
}

// size returns the encoded size of the texts in bytes.
func (t Tax) size() int {
	return EncodedSize(t.TaxJarProductCode) + EncodedSize(t.HSNCode) + EncodedSize(t.AvalaraSaleType) + EncodedSize(t.AvalaraTaxCode)
}
