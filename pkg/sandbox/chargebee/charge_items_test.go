package chargebee_test

import (
	"net/http"
	"strings"
	"testing"

	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/enum"
	"github.com/chargebee/chargebee-go/v3/models/invoice"
	invoiceEnum "github.com/chargebee/chargebee-go/v3/models/invoice/enum"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// sell adds item prices of every pricing model.
func (s site) sell() {
	s.t.Helper()
	for _, price := range []chargebee.ItemPrice{
		{ID: "setup", Description: "Setup", UnitAmount: 999},
		{ID: "sms", Description: "SMS", PricingModel: chargebee.PerUnit, UnitAmount: 2},
		{ID: "seat", Description: "Seat", PricingModel: chargebee.PerUnit, UnitAmount: 250},
		{ID: "tiered", Description: "Tiered", PricingModel: chargebee.Tiered},
		{ID: "euro", Description: "Euro", CurrencyCode: "EUR"},
	} {
		if err := s.AddItemPrice(price); err != nil {
			s.t.Fatal(err)
		}
	}
}

// The real SDK adds charge item prices.
func TestSDKChargeItem(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	s.sell()
	environment := serve(t, s)
	draft := s.renew("ada-1", "ada-2")
	params := &invoice.AddChargeItemRequestParams{
		ItemPrice: &invoice.AddChargeItemItemPriceParams{
			ItemPriceId: "sms", Quantity: new(int32(3)), UnitPrice: new(int64(140)),
			DateFrom: new(int64(10)), DateTo: new(int64(20)),
		},
		Comment: "batch=abc", SubscriptionId: "ada-2",
	}
	add := func() *invoice.Invoice {
		t.Helper()
		result, err := invoiceaction.AddChargeItem(draft.ID, params).
			Contexts(t.Context()).SetIdempotencyKey("k").RequestWithEnv(environment)
		if err != nil {
			t.Fatal(err)
		}
		return result.Invoice
	}
	added := add()
	line := *added.LineItems[1]
	if line.EntityType != invoiceEnum.LineItemEntityTypeChargeItemPrice || line.EntityId != "sms" || line.Description != "SMS" ||
		line.SubscriptionId != "ada-2" || line.PricingModel != enum.PricingModelPerUnit || line.DateFrom != 10 || line.DateTo != 20 ||
		line.Amount != 420 || line.UnitAmount != 140 || line.Quantity != 3 ||
		added.Total != 1420 {
		t.Errorf("line %+v of %+v", line, added)
	}
	if again := add(); len(again.LineItems) != 2 {
		t.Errorf("the key protects nothing: %+v", again.LineItems)
	}

}

func itemRequest(id, form string) request {
	form = strings.NewReplacer("[", "%5B", "]", "%5D").Replace(form)
	return request{path: "invoices/" + id + "/add_charge_item", form: form}
}

func TestChargeItemAmounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		form         string
		amount, unit int64
		quantity     int32
	}{
		{"setup", 999, 999, 1},
		{"setup&item_price[unit_price]=5", 5, 5, 1},
		{"setup&item_price[unit_price]=0", 0, 0, 1},
		{"seat&item_price[quantity]=3", 750, 250, 3},
		{"seat&item_price[quantity]=3&item_price[unit_price]=100", 300, 100, 3},
	} {
		s := newSite(t, chargebee.Config{})
		s.sell()
		answer := s.must(itemRequest(s.renew("ada-2").ID, "item_price[item_price_id]="+test.form))
		if answer.status != http.StatusOK {
			t.Errorf("%s: %d %s", test.form, answer.status, answer.raw)
			continue
		}
		line := answer.Invoice.LineItems[0]
		if line.Amount != test.amount || line.UnitAmount != test.unit || line.Quantity != test.quantity || answer.Invoice.Total != test.amount {
			t.Errorf("%s: %+v", test.form, line)
		}
	}
}

func TestWrongChargeItems(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{QuantityDefaultsToOne: true})
	s.sell()
	draft := s.renew("ada-1")
	before, _ := s.Invoice(draft.ID)
	for _, test := range []struct {
		form   string
		status int
		code   string
		param  string
	}{
		{"", 400, "param_wrong_value", "item_price[item_price_id]"},
		{"item_price[item_price_id]=none", 404, "resource_not_found", "item_price[item_price_id]"},
		{"item_price[item_price_id]=euro", 400, "param_wrong_value", "item_price[item_price_id]"},
		{"item_price[item_price_id]=setup&item_price[quantity]=1", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=0", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=1.5", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=3000000000", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[unit_price]=9007199254740992", 400, "param_wrong_value", "item_price[unit_price]"},
		{"item_price[item_price_id]=seat&item_price[unit_price]=9007199254740991", 400, "param_wrong_value", "item_price[item_price_id]"},
		{"item_price[item_price_id]=tiered&item_price[unit_price]=1", 400, "param_wrong_value", "item_price[unit_price]"},
		{"item_price[item_price_id]=seat&item_price[date_from]=20&item_price[date_to]=10", 400, "param_wrong_value", "item_price[date_to]"},
		{"item_price[item_price_id]=seat&subscription_id=bob-1", 400, "param_wrong_value", "subscription_id"},
		{"item_price[item_price_id]=seat&comment=" + strings.Repeat("c", 301), 400, "param_wrong_value", "comment"},
		{"item_price[item_price_id]=seat&amount=1", 400, "param_wrong_value", "amount"},
	} {
		answer := s.must(itemRequest(draft.ID, test.form))
		if answer.status != test.status || answer.Code != test.code || answer.Param != test.param {
			t.Errorf("%s: %d %s", test.form, answer.status, answer.raw)
		}
	}
	if after, _ := s.Invoice(draft.ID); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("a refused call changed the invoice: %+v", after)
	}
	if answer := s.must(itemRequest("none", "item_price[item_price_id]=seat")); answer.status != 404 {
		t.Errorf("unknown draft: %d", answer.status)
	}
	for _, wrong := range []chargebee.ItemPrice{
		{ID: "p", PricingModel: "free"},
	} {
		if err := s.AddItemPrice(wrong); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

// Each catalog has its own entity_types; item prices belong to catalog 2.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		catalog chargebee.Catalog
		want    string // entity_types of an invoice's lines, a charge added last
		code    string // of the refusal of an item price
	}{
		{chargebee.Catalog2, "plan_item_price addon_item_price addon_item_price adhoc", ""},
		{chargebee.Catalog1, "plan addon addon adhoc", "configuration_incompatible"},
	} {
		s := newSite(t, chargebee.Config{Catalog: test.catalog})
		s.sell()
		s.AddSubscription(chargebee.Subscription{
			ID: "full", CustomerID: "ada",
			Plan:   chargebee.Plan{ItemPriceID: "basic", Description: "Basic", UnitAmount: 500},
			Addons: []chargebee.Addon{{ItemPriceID: "seats", UnitAmount: 30, Quantity: 3}, {ItemPriceID: "support", UnitAmount: 7}},
		})
		draft, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"full"}})
		if err != nil {
			t.Fatal(err)
		}
		if draft.Total != 500+90+7 {
			t.Errorf("%d: total %d", test.catalog, draft.Total)
		}
		var types []string
		for _, line := range s.charge(draft.ID, "1", "").Invoice.LineItems {
			types = append(types, line.EntityType)
		}
		if got := strings.Join(types, " "); got != test.want {
			t.Errorf("%d: %s", test.catalog, got)
		}
		if answer := s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup")); answer.Code != test.code {
			t.Errorf("%d: %d %s", test.catalog, answer.status, answer.raw)
		}
	}
}
