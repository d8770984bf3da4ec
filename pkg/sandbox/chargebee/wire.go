package chargebee

// invoiceAnswer is {"invoice": …}.
type invoiceAnswer struct {
	Invoice any `json:"invoice"`
}

// show returns the answer that shows a page of an invoice's lines.
func (s *Service) show(invoice Invoice, page linePage) invoiceAnswer {
	return invoiceAnswer{s.wire(s.cut(invoice, page))}
}

// wire returns the form in which answers and webhooks carry an invoice.
func (s *Service) wire(invoice Invoice) any {
	if invoice.LineItems == nil {
		invoice.LineItems = []LineItem{}
	}
	if invoice.Notes == nil {
		invoice.Notes = []Note{}
	}
	if s.config.OmitsNulls {
		return omittingInvoice{invoice, constantAttributes()}
	}
	return newNullingInvoice(invoice)
}

// constants are attributes that have the same value on every invoice.
type constants struct {
	LineItemTiers         []struct{} `json:"line_item_tiers"`
	LineItemDiscounts     []struct{} `json:"line_item_discounts"`
	LineItemTaxes         []struct{} `json:"line_item_taxes"`
	Discounts             []struct{} `json:"discounts"`
	Taxes                 []struct{} `json:"taxes"`
	LinkedPayments        []struct{} `json:"linked_payments"`
	AppliedCredits        []struct{} `json:"applied_credits"`
	AdjustmentCreditNotes []struct{} `json:"adjustment_credit_notes"`
	IssuedCreditNotes     []struct{} `json:"issued_credit_notes"`
	LinkedOrders          []struct{} `json:"linked_orders"`
	DunningAttempts       []struct{} `json:"dunning_attempts"`
	ReferenceTransactions []struct{} `json:"reference_transactions"`

	SiteDetailsAtCreation siteDetails `json:"site_details_at_creation"`
}

type siteDetails struct {
	Timezone string `json:"timezone"`
}

func constantAttributes() constants {
	empty := []struct{}{}
	return constants{
		LineItemTiers: empty, LineItemDiscounts: empty, LineItemTaxes: empty,
		Discounts: empty, Taxes: empty, LinkedPayments: empty, AppliedCredits: empty,
		AdjustmentCreditNotes: empty, IssuedCreditNotes: empty, LinkedOrders: empty,
		DunningAttempts: empty, ReferenceTransactions: empty,
		SiteDetailsAtCreation: siteDetails{Timezone: "Etc/UTC"},
	}
}

// omittingInvoice is an invoice whose optional attributes without a value are
// left out.
type omittingInvoice struct {
	Invoice
	constants
}

// nullingInvoice is an invoice whose optional attributes without a value are
// null. Its fields replace those of Invoice with the same JSON name.
type nullingInvoice struct {
	Invoice
	constants

	SubscriptionID  *string       `json:"subscription_id"`
	DueDate         *int64        `json:"due_date"`
	PaidAt          *int64        `json:"paid_at"`
	GeneratedAt     *int64        `json:"generated_at"`
	BillingAddress  *Address      `json:"billing_address"`
	ShippingAddress *Address      `json:"shipping_address"`
	LineItems       []nullingLine `json:"line_items"`
	Notes           []nullingNote `json:"notes"`
}

type nullingLine struct {
	LineItem

	SubscriptionID      *string `json:"subscription_id"`
	EntityID            *string `json:"entity_id"`
	UnitAmountInDecimal *string `json:"unit_amount_in_decimal"`
	QuantityInDecimal   *string `json:"quantity_in_decimal"`
	AmountInDecimal     *string `json:"amount_in_decimal"`
}

type nullingNote struct {
	Note

	EntityType *string `json:"entity_type"`
	EntityID   *string `json:"entity_id"`
}

func newNullingInvoice(invoice Invoice) nullingInvoice {
	nulling := nullingInvoice{
		Invoice:         invoice,
		constants:       constantAttributes(),
		SubscriptionID:  orNull(invoice.SubscriptionID),
		DueDate:         orNull(invoice.DueDate),
		PaidAt:          orNull(invoice.PaidAt),
		GeneratedAt:     orNull(invoice.GeneratedAt),
		BillingAddress:  invoice.BillingAddress,
		ShippingAddress: invoice.ShippingAddress,
		LineItems:       make([]nullingLine, len(invoice.LineItems)),
		Notes:           make([]nullingNote, len(invoice.Notes)),
	}
	for i, line := range invoice.LineItems {
		nulling.LineItems[i] = nullingLine{
			LineItem:            line,
			SubscriptionID:      orNull(line.SubscriptionID),
			EntityID:            orNull(line.EntityID),
			UnitAmountInDecimal: orNull(line.UnitAmountInDecimal),
			QuantityInDecimal:   orNull(line.QuantityInDecimal),
			AmountInDecimal:     orNull(line.AmountInDecimal),
		}
	}
	for i, note := range invoice.Notes {
		nulling.Notes[i] = nullingNote{note, orNull(note.EntityType), orNull(note.EntityID)}
	}
	return nulling
}

// orNull returns nil, which is encoded as null, for the zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
