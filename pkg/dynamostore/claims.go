package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/billable-events/billable/pkg/billing"
)

// attributeContent holds an item of an epoch as JSON: it does not change and is read as a whole.
const attributeContent = "content"

func manifestKey(invoiceID, epoch string) string { return invoiceID + "#" + epoch + "#m" }

func pageKey(invoiceID, epoch string, number int) string {
	return invoiceID + "#" + epoch + "#p" + strconv.Itoa(number)
}

func partKey(invoiceID, epoch string, number int) string {
	return invoiceID + "#" + epoch + "#l" + strconv.Itoa(number)
}

type storedManifest struct {
	Date           int64            `json:"date"`
	CurrencyCode   string           `json:"currency_code"`
	CustomerID     string           `json:"customer_id"`
	SubscriptionID string           `json:"subscription_id,omitempty"`
	Subscriptions  []string         `json:"subscriptions"`
	Originals      []storedOriginal `json:"originals"`
	ClaimedAt      int64            `json:"claimed_at"`
}

type storedOriginal struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id,omitempty"`
	EntityType     string `json:"entity_type,omitempty"`
	EntityID       string `json:"entity_id,omitempty"`
	Amount         int64  `json:"amount,omitempty"`
	From           int64  `json:"date_from,omitempty"`
	To             int64  `json:"date_to,omitempty"`
}

type storedEvent struct {
	SubscriptionID string `json:"subscription_id"`
	EventID        string `json:"event_id"`
	OccurredAt     int64  `json:"occurred_at"`
	ChargeCode     string `json:"charge_code,omitempty"`
	Description    string `json:"description,omitempty"`
	Amount         string `json:"amount,omitempty"`
	Quantity       string `json:"quantity,omitempty"`
	CurrencyCode   string `json:"currency_code,omitempty"`
	Fault          string `json:"fault,omitempty"`
}

type storedPart struct {
	Parts int          `json:"parts"` // of the whole plan
	Lines []storedLine `json:"lines"`
}

type storedLine struct {
	SubscriptionID string `json:"subscription_id"`
	ChargeCode     string `json:"charge_code"`
	Amount         int64  `json:"amount"`
	Quantity       string `json:"quantity,omitempty"`
	Events         int    `json:"events"`
	From           int64  `json:"date_from"`
	To             int64  `json:"date_to"`
	Description    string `json:"description"`
	Marker         string `json:"marker"`
	IdempotencyKey string `json:"idempotency_key"`

	ItemPriceID string `json:"item_price_id,omitempty"`
	PerUnit     bool   `json:"per_unit,omitempty"`
	storedTax
}

type storedTax struct {
	TaxJarProductCode      string `json:"taxjar_product_code,omitempty"`
	HSNCode                string `json:"hsn_code,omitempty"`
	AvalaraSaleType        string `json:"avalara_sale_type,omitempty"`
	AvalaraTransactionType *int32 `json:"avalara_transaction_type,omitempty"`
	AvalaraServiceType     *int32 `json:"avalara_service_type,omitempty"`
	AvalaraTaxCode         string `json:"avalara_tax_code,omitempty"`
}

// Manifest returns the manifest of an epoch.
func (s *Store) Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error) {
	var stored storedManifest
	err := s.load(ctx, manifestKey(invoiceID, epoch), &stored)
	originals := make([]billing.InvoiceLine, len(stored.Originals))
	for i, line := range stored.Originals {
		originals[i] = billing.InvoiceLine{
			ID: line.ID, SubscriptionID: line.SubscriptionID,
			EntityType: line.EntityType, EntityID: line.EntityID,
			Amount: line.Amount, From: line.From, To: line.To,
		}
	}
	return billing.Manifest{
		InvoiceID:      invoiceID,
		Epoch:          epoch,
		Date:           stored.Date,
		CurrencyCode:   stored.CurrencyCode,
		CustomerID:     stored.CustomerID,
		SubscriptionID: stored.SubscriptionID,
		Subscriptions:  stored.Subscriptions,
		Originals:      originals,
		ClaimedAt:      stored.ClaimedAt,
	}, err
}

// Page returns one page of an epoch.
func (s *Store) Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error) {
	var stored []storedEvent
	if err := s.load(ctx, pageKey(invoiceID, epoch, number), &stored); err != nil {
		return billing.Page{}, err
	}
	page := billing.Page{Number: number, Events: make([]billing.Event, len(stored))}
	for i, event := range stored {
		page.Events[i] = billing.Event{
			EventKey:     billing.EventKey{SubscriptionID: event.SubscriptionID, EventID: event.EventID},
			OccurredAt:   event.OccurredAt,
			ChargeCode:   event.ChargeCode,
			Description:  event.Description,
			Amount:       event.Amount,
			Quantity:     event.Quantity,
			CurrencyCode: event.CurrencyCode,
			Fault:        event.Fault,
		}
	}
	return page, nil
}

// Plan returns the plan of an epoch.
func (s *Store) Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error) {
	var plan billing.Plan
	for number, parts := 0, 1; number < parts; number++ {
		var stored storedPart
		if err := s.load(ctx, partKey(invoiceID, epoch, number), &stored); err != nil {
			return plan, err
		}
		parts = stored.Parts
		for _, line := range stored.Lines {
			plan.Lines = append(plan.Lines, line.line())
		}
	}
	return plan, nil
}

func (s *Store) load(ctx context.Context, key string, into any) error {
	found, err := s.get(ctx, key)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("%s: %w", key, billing.ErrNotFound)
	}
	if err := json.Unmarshal([]byte(reader(found).text(attributeContent)), into); err != nil {
		return fmt.Errorf("%s: content: %w", key, err)
	}
	return nil
}

func encodeManifest(manifest billing.Manifest) item {
	originals := make([]storedOriginal, len(manifest.Originals))
	for i, line := range manifest.Originals {
		originals[i] = storedOriginal{
			ID: line.ID, SubscriptionID: line.SubscriptionID,
			EntityType: line.EntityType, EntityID: line.EntityID,
			Amount: line.Amount, From: line.From, To: line.To,
		}
	}
	return content(manifestKey(manifest.InvoiceID, manifest.Epoch), storedManifest{
		Date:           manifest.Date,
		CurrencyCode:   manifest.CurrencyCode,
		CustomerID:     manifest.CustomerID,
		SubscriptionID: manifest.SubscriptionID,
		Subscriptions:  manifest.Subscriptions,
		Originals:      originals,
		ClaimedAt:      manifest.ClaimedAt,
	})
}

func encodePage(record billing.Record, page billing.Page) item {
	stored := make([]storedEvent, len(page.Events))
	for i, event := range page.Events {
		stored[i] = storedEvent{
			SubscriptionID: event.SubscriptionID,
			EventID:        event.EventID,
			OccurredAt:     event.OccurredAt,
			ChargeCode:     event.ChargeCode,
			Description:    billing.Cut(event.Description, billing.MaxDescription),
			Amount:         event.Amount,
			Quantity:       event.Quantity,
			CurrencyCode:   event.CurrencyCode,
			Fault:          event.Fault,
		}
	}
	return content(pageKey(record.InvoiceID, record.Epoch, page.Number), stored)
}

func encodePlan(record billing.Record, plan billing.Plan) []item {
	parts := plan.Parts()
	items := make([]item, len(parts))
	for number, lines := range parts {
		stored := storedPart{Parts: len(parts), Lines: make([]storedLine, len(lines))}
		for i, line := range lines {
			stored.Lines[i] = storeLine(line)
		}
		items[number] = content(partKey(record.InvoiceID, record.Epoch, number), stored)
	}
	return items
}

func storeLine(line billing.Line) storedLine {
	return storedLine{
		SubscriptionID: line.SubscriptionID,
		ChargeCode:     line.ChargeCode,
		Amount:         line.Amount,
		Quantity:       line.Quantity,
		Events:         line.Events,
		From:           line.From,
		To:             line.To,
		Description:    line.Description,
		Marker:         line.Marker,
		IdempotencyKey: line.IdempotencyKey,
		ItemPriceID:    line.ItemPriceID,
		PerUnit:        line.PerUnit,
		storedTax:      storedTax(line.Tax),
	}
}

func (l storedLine) line() billing.Line {
	return billing.Line{
		SubscriptionID: l.SubscriptionID,
		ChargeCode:     l.ChargeCode,
		Amount:         l.Amount,
		Quantity:       l.Quantity,
		Events:         l.Events,
		From:           l.From,
		To:             l.To,
		Description:    l.Description,
		Marker:         l.Marker,
		IdempotencyKey: l.IdempotencyKey,
		ItemPriceID:    l.ItemPriceID,
		PerUnit:        l.PerUnit,
		Tax:            billing.Tax(l.storedTax),
	}
}

func content(key string, value any) item {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("dynamostore: " + err.Error()) // strings and numbers only
	}
	return item{attributeInvoiceID: text(key), attributeContent: text(string(encoded))}
}
