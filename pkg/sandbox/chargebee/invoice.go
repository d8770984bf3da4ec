package chargebee

import (
	"fmt"
	"slices"
)

// The states of an invoice that occur here.
const (
	StatusPending    = "pending"
	StatusPaymentDue = "payment_due"
	StatusPaid       = "paid"
	StatusPosted     = "posted"
	StatusNotPaid    = "not_paid"
	StatusVoided     = "voided"
)

// The types of line items.
const (
	EntityAdhoc = "adhoc"

	// In product catalog 2.
	EntityPlanItemPrice   = "plan_item_price"
	EntityAddonItemPrice  = "addon_item_price"
	EntityChargeItemPrice = "charge_item_price"

	// In product catalog 1.
	EntityPlan      = "plan"
	EntityPlanSetup = "plan_setup"
	EntityAddon     = "addon"
)

// Invoice is an invoice, pending or issued. Amounts are in minor units of the
// currency, times in unix seconds.
//
// https://apidocs.chargebee.com/docs/api/invoices/invoice-object
type Invoice struct {
	ID                  string     `json:"id"`
	CustomerID          string     `json:"customer_id"`
	SubscriptionID      string     `json:"subscription_id,omitempty"` // "" on a consolidated invoice
	Recurring           bool       `json:"recurring"`
	Status              string     `json:"status"`
	Date                int64      `json:"date"`
	DueDate             int64      `json:"due_date,omitempty"`
	Total               int64      `json:"total"`
	AmountPaid          int64      `json:"amount_paid"`
	CreditsApplied      int64      `json:"credits_applied"`
	PriceType           string     `json:"price_type"`
	AmountToCollect     int64      `json:"amount_to_collect"`
	AmountDue           int64      `json:"amount_due"`
	PaidAt              int64      `json:"paid_at,omitempty"`
	UpdatedAt           int64      `json:"updated_at"`
	ResourceVersion     int64      `json:"resource_version"` // unix milliseconds; grows with every change
	GeneratedAt         int64      `json:"generated_at,omitempty"`
	Deleted             bool       `json:"deleted"`
	CurrencyCode        string     `json:"currency_code"`
	Tax                 int64      `json:"tax"`
	SubTotal            int64      `json:"sub_total"`
	LineItems           []LineItem `json:"line_items"`
	LineItemsNextOffset string     `json:"line_items_next_offset,omitempty"`
	Notes               []struct{} `json:"notes"`
	Object              string     `json:"object"`

	// DraftID is the id that a closed invoice had while it was pending. No
	// answer of the API shows it.
	DraftID string `json:"-"`
}

// LineItem is one line of an invoice. It keeps its id when the invoice is
// closed, unless Config.NewLineIDs is set.
type LineItem struct {
	ID              string `json:"id"`
	DateFrom        int64  `json:"date_from"`
	DateTo          int64  `json:"date_to"`
	UnitAmount      int64  `json:"unit_amount"`
	Quantity        int32  `json:"quantity"`
	Amount          int64  `json:"amount"`
	PricingModel    string `json:"pricing_model"`
	Object          string `json:"object"`
	SubscriptionID  string `json:"subscription_id,omitempty"`
	CustomerID      string `json:"customer_id"`
	Description     string `json:"description"`
	EntityType      string `json:"entity_type"`
	EntityID        string `json:"entity_id,omitempty"`
	TaxExemptReason string `json:"tax_exempt_reason"`

	// Tax has the parameters for tax providers. No response shows it.
	Tax Tax `json:"-"`
}

// Tax has the parameters of a line for tax providers.
type Tax struct {
	TaxJarProductCode      string
	HSNCode                string
	AvalaraSaleType        string
	AvalaraTransactionType string
	AvalaraServiceType     string
	AvalaraTaxCode         string
}

// clone copies what an edit can change.
func (i Invoice) clone() Invoice {
	i.LineItems = slices.Clone(i.LineItems)
	return i
}

// maxAmount is the largest amount in minor units, 2^53-1.
//
// https://www.chargebee.com/docs/2.0/support-for-hvc.html
const maxAmount = 1<<53 - 1

var errAmountTooLarge = fmt.Errorf("chargebee: an amount exceeds %d", int64(maxAmount))

// updateTotals computes the totals from the lines.
func (i *Invoice) updateTotals() error {
	var total int64
	for _, line := range i.LineItems {
		if !isAmount(line.Amount) {
			return errAmountTooLarge
		}
		total += line.Amount // cannot overflow: both are far below 64 bits
		if !isAmount(total) {
			return errAmountTooLarge
		}
	}
	i.SubTotal, i.Total = total, total
	i.AmountDue = total - i.AmountPaid
	i.AmountToCollect = i.AmountDue
	return nil
}

// isAmount reports whether Chargebee can represent an amount.
func isAmount(amount int64) bool { return amount <= maxAmount && amount >= -maxAmount }

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
		invoice.Notes = []struct{}{}
	}
	if s.config.OmitsNulls {
		return invoice
	}
	return newNullingInvoice(invoice)
}

// nullingInvoice is an invoice whose optional attributes without a value are
// null. Its fields replace those of Invoice with the same JSON name.
type nullingInvoice struct {
	Invoice

	SubscriptionID *string       `json:"subscription_id"`
	DueDate        *int64        `json:"due_date"`
	PaidAt         *int64        `json:"paid_at"`
	GeneratedAt    *int64        `json:"generated_at"`
	LineItems      []nullingLine `json:"line_items"`
}

type nullingLine struct {
	LineItem

	SubscriptionID *string `json:"subscription_id"`
	EntityID       *string `json:"entity_id"`
}

func newNullingInvoice(invoice Invoice) nullingInvoice {
	nulling := nullingInvoice{
		Invoice:        invoice,
		SubscriptionID: orNull(invoice.SubscriptionID),
		DueDate:        orNull(invoice.DueDate),
		PaidAt:         orNull(invoice.PaidAt),
		GeneratedAt:    orNull(invoice.GeneratedAt),
		LineItems:      make([]nullingLine, len(invoice.LineItems)),
	}
	for i, line := range invoice.LineItems {
		nulling.LineItems[i] = nullingLine{
			LineItem:       line,
			SubscriptionID: orNull(line.SubscriptionID),
			EntityID:       orNull(line.EntityID),
		}
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
