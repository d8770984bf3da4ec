package chargebee

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Subscription is a monthly subscription of a customer.
type Subscription struct {
	ID           string
	CustomerID   string
	CurrencyCode string // defaults to USD
	Plan         Plan
	Addons       []Addon
}

// Plan is the item price of a subscription. Without an ItemPriceID a renewal
// makes no line of its own.
type Plan struct {
	ItemPriceID string
	Description string
	UnitAmount  int64 // minor units
	Quantity    int32 // defaults to 1
}

// Addon is an item price that is billed every month in addition to the plan.
type Addon struct {
	ItemPriceID string
	Description string
	UnitAmount  int64 // minor units
	Quantity    int32 // defaults to 1
}

// Renewal makes one pending invoice.
type Renewal struct {
	SubscriptionIDs []string  // several make a consolidated invoice
	Date            time.Time // of the invoice; defaults to now
	InvoiceID       string    // defaults to a random id
	EventID         string    // of the event that announces the invoice; defaults to a random id
}

// AddSubscription adds a subscription, or replaces the one with that id.
func (s *Service) AddSubscription(subscription Subscription) {
	if subscription.CurrencyCode == "" {
		subscription.CurrencyCode = "USD"
	}
	if subscription.Plan.Quantity == 0 {
		subscription.Plan.Quantity = 1
	}
	subscription.Addons = slices.Clone(subscription.Addons)
	for i := range subscription.Addons {
		subscription.Addons[i].Quantity = cmp.Or(subscription.Addons[i].Quantity, 1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions[subscription.ID] = subscription
}

// Renew renews subscriptions of one customer: it makes a pending invoice with
// the lines of their plans for the month to come, and the event that announces
// it.
func (s *Service) Renew(renewal Renewal) (Invoice, Event, error) {
	if len(renewal.SubscriptionIDs) == 0 {
		return Invoice{}, Event{}, errors.New("chargebee: a renewal needs a subscription")
	}
	s.enter()
	defer s.mu.Unlock()
	now := s.config.Now()
	if renewal.Date.IsZero() {
		renewal.Date = now
	}

	if _, exists := s.invoices[renewal.InvoiceID]; exists || s.closedDrafts[renewal.InvoiceID] {
		return Invoice{}, Event{}, fmt.Errorf("chargebee: invoice %q exists", renewal.InvoiceID)
	}
	invoice := Invoice{
		ID:        cmp.Or(renewal.InvoiceID, s.newID("draft_inv_")),
		Recurring: true,
		Status:    StatusPending,
		PriceType: "tax_exclusive",
		Date:      renewal.Date.Unix(),
		Object:    "invoice",
	}
	if len(renewal.SubscriptionIDs) == 1 {
		invoice.SubscriptionID = renewal.SubscriptionIDs[0]
	}
	for i, id := range renewal.SubscriptionIDs {
		subscription, ok := s.subscriptions[id]
		if !ok {
			return Invoice{}, Event{}, fmt.Errorf("chargebee: no subscription %q", id)
		}
		if i == 0 {
			invoice.CustomerID = subscription.CustomerID
			invoice.CurrencyCode = subscription.CurrencyCode
		}
		if subscription.CustomerID != invoice.CustomerID || subscription.CurrencyCode != invoice.CurrencyCode {
			return Invoice{}, Event{}, fmt.Errorf("chargebee: subscription %q has another customer or currency", id)
		}
		invoice.LineItems = append(invoice.LineItems, s.recurringLines(subscription, renewal)...)
	}
	if err := invoice.updateTotals(); err != nil {
		return Invoice{}, Event{}, err
	}
	invoice.touch(now)
	s.scheduleClose(s.add(invoice))
	return invoice.clone(), s.emit(cause{EventPendingInvoiceCreated, sourceScheduled}, invoice, renewal.EventID), nil
}

// recurringLines returns what a subscription costs for a month. The caller holds
// s.mu.
func (s *Service) recurringLines(subscription Subscription, renewal Renewal) []LineItem {
	planType, addonType := s.config.Catalog.entities()
	line := func(entityType, id, description string, unitAmount int64, quantity int32) LineItem {
		return LineItem{
			ID:              s.newID("li_"),
			SubscriptionID:  subscription.ID,
			CustomerID:      subscription.CustomerID,
			DateFrom:        renewal.Date.Unix(),
			DateTo:          renewal.Date.AddDate(0, 1, 0).Unix(),
			UnitAmount:      unitAmount,
			Quantity:        quantity,
			Amount:          unitAmount * int64(quantity),
			PricingModel:    PerUnit,
			Description:     description,
			EntityType:      entityType,
			EntityID:        id,
			TaxExemptReason: "tax_not_configured",
			Object:          "line_item",
		}
	}
	var lines []LineItem
	plan := subscription.Plan
	if plan.ItemPriceID != "" {
		lines = append(lines, line(planType, plan.ItemPriceID, plan.Description, plan.UnitAmount, plan.Quantity))
	}
	for _, addon := range subscription.Addons {
		lines = append(lines, line(addonType, addon.ItemPriceID, addon.Description, addon.UnitAmount, addon.Quantity))
	}
	return lines
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID draws an id of the form that Chargebee's ids have. The caller holds
// s.mu.
func (s *Service) newID(prefix string) string {
	id := []byte(prefix)
	for range 16 {
		id = append(id, base62[s.random.IntN(len(base62))])
	}
	return string(id)
}

// Catalog is a version of Chargebee's product catalog. It determines the entity types
// of lines, and whether the site has add_charge_item.
type Catalog int

const (
	// Catalog2 has items and their prices.
	Catalog2 Catalog = iota
	// Catalog1 has plans and addons.
	Catalog1
)

// compatPrefix makes the entity_ids of the compat form differ from item prices.
const compatPrefix = "compat-"

// inSchema returns an invoice in the form in which a GET shows it. A site with
// both catalogs shows the lines of item prices as plans and addons, unless the
// request asks for items. What they look like is not documented.
//
// https://apidocs.chargebee.com/docs/api/v2/pcv-1/invoices/retrieve-an-invoice
func (s *Service) inSchema(call *call, invoice Invoice) Invoice {
	if !s.config.BothCatalogs || call.schema == "items" {
		return invoice
	}
	invoice.LineItems = slices.Clone(invoice.LineItems)
	for i := range invoice.LineItems {
		invoice.LineItems[i].makeCompatible()
	}
	return invoice
}

// makeCompatible changes a line of an item price to the compat form.
func (l *LineItem) makeCompatible() {
	switch l.EntityType {
	case EntityPlanItemPrice:
		l.EntityType = EntityPlan
	case EntityAddonItemPrice, EntityChargeItemPrice:
		l.EntityType = EntityAddon
	default:
		return
	}
	l.EntityID = compatPrefix + l.EntityID
}

// entities returns the entity_types of the lines of plans and addons.
func (c Catalog) entities() (plan, addon string) {
	if c == Catalog1 {
		return EntityPlan, EntityAddon
	}
	return EntityPlanItemPrice, EntityAddonItemPrice
}
