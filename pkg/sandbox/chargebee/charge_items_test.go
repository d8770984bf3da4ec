package chargebee_test

import (
	"net/url"
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
	tiers := []chargebee.Tier{{StartingUnit: 1, EndingUnit: 10, Price: 100}, {StartingUnit: 11, EndingUnit: 20, Price: 50}, {StartingUnit: 21, Price: 10}}
	for _, price := range []chargebee.ItemPrice{
		{ID: "setup", Description: "Setup", UnitAmount: 999},
		{ID: "sms", Description: "SMS", PricingModel: chargebee.PerUnit, UnitAmountInDecimal: "0.00125"},
		{ID: "seat", Description: "Seat", PricingModel: chargebee.PerUnit, UnitAmount: 250},
		{ID: "tiered", Description: "Tiered", PricingModel: chargebee.Tiered, Tiers: tiers},
		{ID: "volume", Description: "Volume", PricingModel: chargebee.Volume, Tiers: tiers},
		{ID: "stairstep", Description: "Stairstep", PricingModel: chargebee.Stairstep, Tiers: tiers},
		{ID: "bounded", Description: "Bounded", PricingModel: chargebee.Volume, Tiers: tiers[:2]},
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
			ItemPriceId: "sms", QuantityInDecimal: "1000.5", UnitPriceInDecimal: "0.0042",
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
		line.Amount != 420 || line.AmountInDecimal != "4.2021" || line.UnitAmountInDecimal != "0.0042" || line.QuantityInDecimal != "1000.5" ||
		added.Total != 1420 {
		t.Errorf("line %+v of %+v", line, added)
	}
	if again := add(); len(again.LineItems) != 2 {
		t.Errorf("the key protects nothing: %+v", again.LineItems)
	}

	tiered, err := invoiceaction.AddChargeItem(draft.ID, &invoice.AddChargeItemRequestParams{
		ItemPrice:      &invoice.AddChargeItemItemPriceParams{ItemPriceId: "tiered", Quantity: new(int32(7))},
		SubscriptionId: "ada-1",
		ItemTiers: []*invoice.AddChargeItemItemTierParams{
			{StartingUnit: new(int32(1)), EndingUnit: new(int32(5)), Price: new(int64(30)), PricingType: enum.PricingTypePackage, PackageSize: new(int32(3))},
			{StartingUnit: new(int32(6)), PriceInDecimal: "0.125"},
		},
	}).Contexts(t.Context()).RequestWithEnv(environment)
	if err != nil {
		t.Fatal(err)
	}
	if line := tiered.Invoice.LineItems[2]; line.Amount != 85 || line.Quantity != 7 || line.PricingModel != enum.PricingModelTiered {
		t.Errorf("tiered %+v", line)
	}
}

// The real SDK adds addons to the invoices of a site with product catalog 1.
func TestSDKAddonCharge(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{Catalog: chargebee.Catalog1})
	s.sell()
	environment := serve(t, s)
	draft := s.renew("ada-1")
	added, err := invoiceaction.AddAddonCharge(draft.ID, &invoice.AddAddonChargeRequestParams{
		AddonId: "seat", AddonQuantity: new(int32(3)), AddonUnitPrice: new(int64(200)),
		LineItem: &invoice.AddAddonChargeLineItemParams{DateFrom: new(int64(10)), DateTo: new(int64(20))},
	}).Contexts(t.Context()).RequestWithEnv(environment)
	if err != nil {
		t.Fatal(err)
	}
	if line := added.Invoice.LineItems[1]; line.EntityType != invoiceEnum.LineItemEntityTypeAddon || line.EntityId != "seat" ||
		line.Amount != 600 || line.UnitAmount != 200 || line.Quantity != 3 || line.DateTo != 20 || line.AmountInDecimal != "" {
		t.Errorf("line %+v", line)
	}
}

func itemRequest(id, form string) request {
	form = strings.NewReplacer("[", "%5B", "]", "%5D").Replace(form)
	return request{path: "invoices/" + id + "/add_charge_item", form: form}
}

// Amounts are exact before they are rounded, halves upwards.
func TestChargeItemAmounts(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	s.sell()
	const tier = "&item_tiers[starting_unit][0]=1&item_tiers[price][0]="
	for _, test := range []struct {
		form           string // behind item_price[item_price_id]=
		amount, unit   int64
		inDecimal      string
		quantity       int32
		quantityAsText string
	}{
		{"setup", 999, 999, "", 1, ""},
		{"setup&item_price[unit_price]=5", 5, 5, "", 1, ""},
		{"seat&item_price[quantity]=1", 250, 250, "", 1, ""},
		{"seat&item_price[quantity]=3", 750, 250, "", 3, ""},
		{"seat&item_price[quantity_in_decimal]=0.002", 1, 250, "0.005", 0, "0.002"},
		{"seat&item_price[unit_price]=0&item_price[quantity]=1", 0, 0, "", 1, ""},
		{"sms&item_price[quantity]=4", 1, 0, "0.005", 4, "4"},
		{"sms&item_price[quantity]=3", 0, 0, "0.00375", 3, "3"},
		{"sms&item_price[quantity]=2147483647", 268435456, 0, "2684354.55875", 2147483647, "2147483647"},
		{"sms&item_price[unit_price_in_decimal]=0.1&item_price[quantity]=3", 30, 10, "0.3", 3, "3"},
		{"tiered&item_price[quantity]=10", 1000, 100, "", 10, ""},
		{"tiered&item_price[quantity]=25", 1550, 62, "", 25, ""},
		{"tiered&item_price[quantity_in_decimal]=10.5", 1025, 98, "10.25", 11, "10.5"},
		{"volume&item_price[quantity]=10", 1000, 100, "", 10, ""},
		{"volume&item_price[quantity]=11", 550, 50, "", 11, ""},
		{"volume&item_price[quantity]=1000", 10000, 10, "", 1000, ""},
		{"stairstep&item_price[quantity]=4", 100, 25, "", 4, ""},
		{"stairstep&item_price[quantity]=20", 50, 3, "", 20, ""},
		{"tiered&item_price[quantity]=4" + tier + "7&item_tiers[pricing_type][0]=flat_fee", 7, 2, "", 4, ""},
		{"volume&item_price[quantity]=7" + tier + "9&item_tiers[pricing_type][0]=package&item_tiers[package_size][0]=3", 27, 4, "", 7, ""},
	} {
		draft := s.renew("ada-2")
		answer := s.must(itemRequest(draft.ID, "item_price[item_price_id]="+test.form))
		if answer.status != 200 {
			t.Errorf("%s: %d %s", test.form, answer.status, answer.raw)
			continue
		}
		line := answer.Invoice.LineItems[0]
		if line.Amount != test.amount || line.UnitAmount != test.unit || line.AmountInDecimal != test.inDecimal ||
			line.Quantity != test.quantity || line.QuantityInDecimal != test.quantityAsText || answer.Invoice.Total != test.amount {
			t.Errorf("%s: line %+v", test.form, line)
		}
	}
}

func TestMinorUnits(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int64{"JPY": 2, "USD": 150, "KWD": 150, "TND": 150} {
		s := newSite(t, chargebee.Config{})
		s.AddSubscription(chargebee.Subscription{ID: "x", CustomerID: "x", CurrencyCode: currency})
		if err := s.AddItemPrice(chargebee.ItemPrice{ID: "p", CurrencyCode: currency, UnitAmountInDecimal: "1.5"}); err != nil {
			t.Fatal(err)
		}
		answer := s.must(itemRequest(s.renew("x").ID, "item_price[item_price_id]=p"))
		if answer.Invoice.Total != want {
			t.Errorf("1.5 %s are %d", currency, answer.Invoice.Total)
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
		{"item_price[item_price_id]=setup&item_price[quantity_in_decimal]=1", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=0", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=1.5", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity]=3000000000", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=3000000000", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=0.0", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=-1", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=1e3", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=1/3", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[quantity_in_decimal]=1&item_price[quantity]=1", 400, "param_wrong_value", "item_price[quantity_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[unit_price]=1&item_price[unit_price_in_decimal]=1", 400, "param_wrong_value", "item_price[unit_price_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[unit_price_in_decimal]=" + strings.Repeat("1", 40), 400, "param_wrong_value", "item_price[unit_price_in_decimal]"},
		{"item_price[item_price_id]=seat&item_price[unit_price_in_decimal]=" + strings.Repeat("9", 39), 400, "param_wrong_value", "item_price[item_price_id]"},
		{"item_price[item_price_id]=seat&item_price[unit_price]=9007199254740992", 400, "param_wrong_value", "item_price[unit_price]"},
		{"item_price[item_price_id]=seat&item_price[unit_price]=9007199254740991", 400, "param_wrong_value", "item_price[item_price_id]"},
		{"item_price[item_price_id]=tiered&item_price[unit_price]=1", 400, "param_wrong_value", "item_price[unit_price]"},
		{"item_price[item_price_id]=tiered&item_price[unit_price_in_decimal]=1", 400, "param_wrong_value", "item_price[unit_price_in_decimal]"},
		{"item_price[item_price_id]=bounded&item_price[quantity]=21", 400, "param_wrong_value", "item_price[quantity]"},
		{"item_price[item_price_id]=seat&item_price[date_from]=20&item_price[date_to]=10", 400, "param_wrong_value", "item_price[date_to]"},
		{"item_price[item_price_id]=seat&subscription_id=bob-1", 400, "param_wrong_value", "subscription_id"},
		{"item_price[item_price_id]=seat&comment=" + strings.Repeat("c", 301), 400, "param_wrong_value", "comment"},
		{"item_price[item_price_id]=seat&item_tiers[starting_unit][0]=1&item_tiers[price][0]=1", 400, "param_wrong_value", "item_tiers"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=1", 400, "param_wrong_value", "item_tiers[price][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[price][0]=1", 400, "param_wrong_value", "item_tiers[starting_unit][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][1]=1&item_tiers[price][1]=1", 400, "param_wrong_value", "item_tiers[starting_unit][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][100]=1", 400, "param_wrong_value", "item_tiers"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=1&item_tiers[price][0]=1&item_tiers[price_in_decimal][0]=1", 400, "param_wrong_value", "item_tiers[price_in_decimal][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=1&item_tiers[price][0]=1&item_tiers[pricing_type][0]=cheap", 400, "param_wrong_value", "item_tiers[pricing_type][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=1&item_tiers[price][0]=1&item_tiers[pricing_type][0]=package", 400, "param_wrong_value", "item_tiers[package_size][0]"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=5&item_tiers[ending_unit][0]=4&item_tiers[price][0]=1", 400, "param_wrong_value", "item_tiers"},
		{"item_price[item_price_id]=tiered&item_tiers[starting_unit][0]=1&item_tiers[price][0]=1&item_tiers[starting_unit][1]=5&item_tiers[price][1]=1", 400, "param_wrong_value", "item_tiers"},
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
		{ID: "p", PricingModel: "free"}, {ID: "p", UnitAmountInDecimal: "1e3"}, {ID: "p", PricingModel: chargebee.Tiered},
		{ID: "p", PricingModel: chargebee.Volume, Tiers: []chargebee.Tier{{StartingUnit: 1}, {StartingUnit: 5}}},
	} {
		if err := s.AddItemPrice(wrong); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

// Each catalog has its own operations, and its own words for lines.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		catalog chargebee.Catalog
		want    string // entity_types of a first invoice's lines, a charge added last
		foreign string // the other catalog's operation
		form    url.Values
	}{
		{
			chargebee.Catalog2, "plan_item_price charge_item_price addon_item_price addon_item_price adhoc",
			"add_addon_charge", url.Values{"addon_id": {"seat"}},
		},
		{
			chargebee.Catalog1, "plan plan_setup addon addon adhoc",
			"add_charge_item", url.Values{"item_price[item_price_id]": {"seat"}},
		},
	} {
		s := newSite(t, chargebee.Config{Catalog: test.catalog})
		s.sell()
		s.AddSubscription(chargebee.Subscription{
			ID: "full", CustomerID: "ada",
			Plan:   chargebee.Plan{ItemPriceID: "basic", Description: "Basic", UnitAmount: 500, SetupFee: 99},
			Addons: []chargebee.Addon{{ItemPriceID: "seats", UnitAmount: 30, Quantity: 3}, {ItemPriceID: "support", UnitAmount: 7}},
		})
		draft, _, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"full"}, FirstInvoice: true})
		if err != nil {
			t.Fatal(err)
		}
		if draft.Total != 500+99+90+7 {
			t.Errorf("%d: total %d", test.catalog, draft.Total)
		}
		var types []string
		for _, line := range s.charge(draft.ID, "1", "").Invoice.LineItems {
			types = append(types, line.EntityType)
		}
		if got := strings.Join(types, " "); got != test.want {
			t.Errorf("%d: %s", test.catalog, got)
		}
		if next := s.renew("full"); len(next.LineItems) != 3 {
			t.Errorf("%d: the second invoice has %+v", test.catalog, next.LineItems)
		}
		answer := s.must(request{path: "invoices/" + draft.ID + "/" + test.foreign, form: test.form.Encode()})
		if answer.status != 400 || answer.Code != "configuration_incompatible" {
			t.Errorf("%d: %s: %d %s", test.catalog, test.foreign, answer.status, answer.raw)
		}
	}
}
