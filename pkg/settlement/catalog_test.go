package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// catalog sells calls and storage as item prices; seats have tax fields.
func catalog() billing.Catalog {
	return billing.Catalog{
		"calls":   {ItemPriceID: "calls-EUR"},
		"seats":   {Tax: billing.Tax{TaxJarProductCode: "31000", AvalaraSaleType: "retail", AvalaraTransactionType: new(int32)}},
		"storage": {ItemPriceID: "storage-EUR", PerUnit: true},
	}
}

// newCatalogFixture is a fixture in which two of the three codes are sold by the catalog.
func newCatalogFixture(t *testing.T, faults sandbox.Faults) *fixture {
	t.Helper()
	return newCatalogFixtureOf(t, chargebee.Config{Faults: faults, Latency: 50 * time.Millisecond})
}

func newCatalogFixtureOf(t *testing.T, site chargebee.Config) *fixture {
	t.Helper()
	f := newFixtureOf(t, site, dynamodb.Config{})
	f.settings.Catalog = catalog()
	f.sell(chargebee.ItemPrice{ID: "calls-EUR", Description: "API calls", UnitAmount: 7})
	f.sell(chargebee.ItemPrice{ID: "storage-EUR", Description: "Storage", PricingModel: chargebee.PerUnit, UnitAmount: 7})
	return f
}

func (f *fixture) sell(price chargebee.ItemPrice) {
	f.t.Helper()
	if price.CurrencyCode == "" {
		price.CurrencyCode = "EUR"
	}
	if err := f.chargebee.AddItemPrice(price); err != nil {
		f.t.Fatal(err)
	}
}

// TestCatalogUndisturbed costs no more calls than other lines. The line of an item
// price is one for all events of its code, and tax fields reach Chargebee as they are.
func TestCatalogUndisturbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newCatalogFixture(t, nil)
		first := time.Now().Unix() - 7200
		f.write("sub", "calls", "10.25", "description=Text", "quantity=2", fmt.Sprint("occurred_at=", first))
		f.write("sub", "calls", "20.25", "description=Text", "quantity=3", fmt.Sprint("occurred_at=", first+60))
		f.write("sub", "seats", "40")
		f.write("sub", "storage", "0.25") // comes to 0: not sent
		id, body := f.renew("sub")
		f.wantDoneAtOnce(f.settler(nil), body)
		f.wantCalls("retrieve add_charge_item add_charge close")
		f.wantReconciled()

		record := f.head(id)
		if record.Outcome != billing.Closed || record.SchemaVersion != billing.SchemaVersion {
			t.Errorf("got %+v", record)
		}
		line := f.items(record.FinalInvoiceID)[0]
		if line.EntityID != "calls-EUR" || line.Description != "API calls" || line.Amount != 30 || line.UnitAmount != 30 || line.Quantity != 1 ||
			line.DateFrom != first || line.DateTo != first+60 || line.SubscriptionID != "sub" {
			t.Errorf("got %+v", line)
		}
		if got, want := f.adHoc(record.FinalInvoiceID)[0].Tax, (chargebee.Tax{TaxJarProductCode: "31000", AvalaraSaleType: "retail", AvalaraTransactionType: "0"}); got != want {
			t.Errorf("the tax provider was told %+v", got)
		}
	})
}

// TestCatalogOnAConsolidatedInvoice: one item price has a line for each subscription.
func TestCatalogOnAConsolidatedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newCatalogFixture(t, nil)
		for _, subscription := range []string{"one", "two"} {
			f.write(subscription, "calls", "10")
			f.write(subscription, "storage", "20")
		}
		_, body := f.renew("one", "two")
		f.wantDoneAtOnce(f.settler(nil), body)
		f.wantCalls("retrieve add_charge_item add_charge_item add_charge_item add_charge_item close")
		f.wantReconciled()
	})
}

// TestManyCatalogLines on an invoice that had no line before. Answers show 100 of the
// 120 lines, so all are read once before closing, and once after it. Nothing but the id
// in the answer to the close leads there.
func TestManyCatalogLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lines = 120
		f := newFixture(t, nil)
		f.settings.Catalog = billing.Catalog{}
		for i := range lines {
			code := fmt.Sprintf("code_%03d", i)
			f.sell(chargebee.ItemPrice{ID: code + "-EUR"})
			f.settings.Catalog[code] = billing.Product{ItemPriceID: code + "-EUR"}
			f.write("sub", code, "12")
		}
		draft, body := f.renewWithoutPlan("sub")
		f.wantDoneAtOnce(f.settler(nil), body)
		record := f.head(draft)
		if record.State != billing.Finished || record.Outcome != billing.Closed {
			t.Errorf("got %+v", record)
		}
		var got strings.Builder
		for _, call := range f.chargebee.Calls() {
			fmt.Fprintf(&got, "%s %s, ", call.Operation, call.InvoiceID)
		}
		want := fmt.Sprintf("retrieve %s, ", draft) + strings.Repeat(fmt.Sprintf("add_charge_item %s, ", draft), lines) +
			fmt.Sprintf("retrieve %[1]s, retrieve %[1]s, close %[1]s, retrieve %[2]s, retrieve %[2]s, ", draft, record.FinalInvoiceID)
		if got.String() != want {
			t.Errorf("called %s", got.String())
		}
		f.wantReconciled()
	})
}

// TestItemPricesThatCannotBeCharged are rejected for an operator, and nothing stays claimed.
// Once the catalog is right, a replay charges.
func TestItemPricesThatCannotBeCharged(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string][]chargebee.ItemPrice{
		"unknown":          nil,
		"another currency": {{ID: "calls-EUR", CurrencyCode: "USD"}},
		"priced in tiers":  {{ID: "calls-EUR", PricingModel: chargebee.Tiered}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.settings.Catalog = billing.Catalog{"calls": {ItemPriceID: "calls-EUR"}}
				for _, price := range wrong {
					f.sell(price)
				}
				f.write("sub", "calls", "10")
				_, body := f.renew("sub")
				settler := f.settler(nil)
				outcome := f.wantRejected(settler, body, billing.ChargebeeRefused)
				if !strings.Contains(outcome.Detail, "add_charge_item") {
					t.Errorf("the detail %q does not name the call", outcome.Detail)
				}
				f.wantStatuses(billing.EventUnbilled)
				f.sell(chargebee.ItemPrice{ID: "calls-EUR"})
				f.wantClosed(settler, body)
			})
		})
	}
}
