package billing

// Catalog maps charge codes to products. A charge code without a product gets an ad-hoc line. No two charge codes
// have the same item price: their lines could not be distinguished.
type Catalog map[string]Product

// Product determines how the lines of a charge code are added.
type Product struct {
	ItemPriceID string // of Chargebee's product catalog; empty for ad-hoc lines
	PerUnit     bool   // the pricing model of the item price is per_unit; otherwise it is flat_fee
	Tax         Tax    // of ad-hoc lines; an item price has its own tax fields in Chargebee
}

// Tax holds the fields of an ad-hoc line for tax providers. They are sent unchanged, except that empty and nil
// fields are not sent.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
type Tax struct {
	TaxJarProductCode      string `json:"taxjar_product_code,omitempty"`
	HSNCode                string `json:"hsn_code,omitempty"`
	AvalaraSaleType        string `json:"avalara_sale_type,omitempty"`
	AvalaraTransactionType *int32 `json:"avalara_transaction_type,omitempty"` // 0 is sent
	AvalaraServiceType     *int32 `json:"avalara_service_type,omitempty"`
	AvalaraTaxCode         string `json:"avalara_tax_code,omitempty"`
}

// taxSize returns the maximum encoded size of the texts in bytes.
func (t Tax) taxSize() int {
	return EncodedSize(t.TaxJarProductCode) + EncodedSize(t.HSNCode) + EncodedSize(t.AvalaraSaleType) + EncodedSize(t.AvalaraTaxCode)
}
