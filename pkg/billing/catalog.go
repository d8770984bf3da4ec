package billing

// Catalog says what charge codes are at Chargebee. A code that is not in it becomes
// an ad-hoc line. No two codes have the same item price: their lines could not be
// told apart.
type Catalog map[string]Product

// Product is what a charge code is at Chargebee: an item price of the product
// catalog, or an ad-hoc line with fields for a tax provider. An item price carries
// its own.
type Product struct {
	ItemPriceID string
	PerUnit     bool // the pricing model of the item price is per_unit; otherwise it is flat_fee
	Tax         Tax
}

// Tax is what tax providers are told about an ad-hoc line. It is passed on as it is;
// what is empty or nil is not sent.
// https://apidocs.chargebee.com/docs/api/invoices/add-one-time-charge-to-a-pending-invoice
type Tax struct {
	TaxJarProductCode      string
	HSNCode                string
	AvalaraSaleType        string
	AvalaraTransactionType *int32 // 0 is a value
	AvalaraServiceType     *int32
	AvalaraTaxCode         string
}

// size is how many bytes the texts have.
func (t Tax) size() int {
	return EncodedSize(t.TaxJarProductCode) + EncodedSize(t.HSNCode) + EncodedSize(t.AvalaraSaleType) + EncodedSize(t.AvalaraTaxCode)
}
