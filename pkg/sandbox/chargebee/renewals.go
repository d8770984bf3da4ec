package chargebee

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Customer is who is billed.
type Customer struct {
	ID             string
	NetTermDays    int32
	BillingAddress *Address // nil: none
	AutoClose      *bool    // nil: as the site does
}

// Subscription is what a customer is billed for, month by month.
type Subscription struct {
	ID           string
	CustomerID   string
	CurrencyCode string // defaults to USD
	Plan         Plan
	Addons       []Addon
	AutoClose    *bool // nil: as for the customer
}

// Plan is the item price of a subscription. Without an ItemPriceID a renewal
// makes no line of its own.
type Plan struct {
	ItemPriceID string
	Description string
	UnitAmount  int64 // minor units
	Quantity    int32 // defaults to 1
	SetupFee    int64 // minor units, on first invoices; 0: none
}

// Addon is an item price that is billed every month beside the plan.
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
	FirstInvoice    bool
	Notes           []Note
	AutoClose       *bool // nil: as for the subscriptions
}

// AddCustomer adds a customer, or replaces the one with that id.
func (s *Service) AddCustomer(customer Customer) {
	if customer.BillingAddress != nil {
		address := *customer.BillingAddress
		address.Object, address.ValidationStatus = "billing_address", "not_validated"
		customer.BillingAddress = &address
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.customers[customer.ID] = customer
}

// AddSubscription adds a subscription, or replaces the one with that id. Its
// customer is added when there is none yet.
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
	if _, ok := s.customers[subscription.CustomerID]; !ok {
		s.customers[subscription.CustomerID] = Customer{ID: subscription.CustomerID}
	}
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

	invoice := Invoice{
		ID:               s.newID("draft_inv_"),
		Recurring:        true,
		Status:           StatusPending,
		PriceType:        "tax_exclusive",
		Date:             renewal.Date.Unix(),
		ExchangeRate:     1,
		FirstInvoice:     renewal.FirstInvoice,
		TermFinalized:    true,
		BaseCurrencyCode: "USD",
		Channel:          "web",
		Notes:            slices.Clone(renewal.Notes),
		Object:           "invoice",
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
			customer := s.customers[subscription.CustomerID]
			invoice.CustomerID = customer.ID
			invoice.NetTermDays = customer.NetTermDays
			invoice.BillingAddress = customer.BillingAddress
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
	s.scheduleClose(s.add(invoice), renewal)
	return invoice.clone(), s.emit(cause{EventPendingInvoiceCreated, sourceScheduled}, invoice), nil
}

// recurringLines are what a subscription costs for a month. The caller holds
// s.mu.
func (s *Service) recurringLines(subscription Subscription, renewal Renewal) []LineItem {
	entities := s.config.Catalog.entities()
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
		lines = append(lines, line(entities.plan, plan.ItemPriceID, plan.Description, plan.UnitAmount, plan.Quantity))
	}
	if renewal.FirstInvoice && plan.SetupFee != 0 {
		lines = append(lines, line(entities.setup, plan.ItemPriceID, plan.Description+" setup", plan.SetupFee, 1))
	}
	for _, addon := range subscription.Addons {
		lines = append(lines, line(entities.addon, addon.ItemPriceID, addon.Description, addon.UnitAmount, addon.Quantity))
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
