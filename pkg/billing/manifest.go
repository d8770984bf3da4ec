package billing

import "slices"

// Manifest describes the invoice at the beginning of an epoch. The plan is made from it.
type Manifest struct {
	InvoiceID      string        `json:"-"`
	Epoch          string        `json:"-"`
	Date           int64         `json:"date"` // of the invoice, unix seconds; only events that occurred before are billed
	CurrencyCode   string        `json:"currency_code"`
	CustomerID     string        `json:"customer_id"`
	SubscriptionID string        `json:"subscription_id,omitempty"` // empty on a consolidated invoice
	Subscriptions  []string      `json:"subscriptions"`             // whose events are billed, sorted
	Originals      []InvoiceLine `json:"originals"`                 // the lines before those of the plan; of a trusted webhook only ids and subscriptions
	ClaimedAt      int64         `json:"claimed_at"`                // when the epoch began, before the invoice was read; unix seconds
}

// NewManifest returns a manifest without an epoch. The invoice must have all its lines.
func NewManifest(invoice Invoice, at int64) Manifest {
	manifest := Manifest{
		InvoiceID:      invoice.ID,
		Date:           invoice.Date,
		CurrencyCode:   invoice.CurrencyCode,
		CustomerID:     invoice.CustomerID,
		SubscriptionID: invoice.SubscriptionID,
		Subscriptions:  invoice.subscriptions(),
		ClaimedAt:      at,
	}
	for _, line := range invoice.Lines {
		line.Description = ""
		manifest.Originals = append(manifest.Originals, line)
	}
	return manifest
}

// Describes reports whether the manifest still describes the invoice. Lines are compared by their ids, so that no
// line of the plan may be on the invoice.
func (m Manifest) Describes(invoice Invoice) bool {
	return m.InvoiceID == invoice.ID &&
		slices.Equal(lineIDs(m.Originals), lineIDs(invoice.Lines)) &&
		m.Date == invoice.Date &&
		m.CurrencyCode == invoice.CurrencyCode &&
		m.CustomerID == invoice.CustomerID &&
		m.SubscriptionID == invoice.SubscriptionID &&
		slices.Equal(m.Subscriptions, invoice.subscriptions())
}

// lineIDs returns the ids of lines, sorted.
func lineIDs(lines []InvoiceLine) []string {
	ids := make([]string, len(lines))
	for i, line := range lines {
		ids[i] = line.ID
	}
	slices.Sort(ids)
	return ids
}
