package billing_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/billing"
)

// draft is a consolidated invoice of two subscriptions.
func draft() billing.Invoice {
	return billing.Invoice{
		ID: "draft_1", CustomerID: "ada", CurrencyCode: "EUR", Status: billing.StatusPending, Date: 1_700_000_000,
		Lines: []billing.InvoiceLine{
			{ID: "li_1", SubscriptionID: "s2", EntityType: "plan_item_price", EntityID: "team", Description: "Team plan", Amount: 4900, From: 1, To: 2},
			{ID: "li_2", SubscriptionID: "s1"},
			{ID: "li_3", SubscriptionID: "s2"},
		},
	}
}

func TestNewManifest(t *testing.T) {
	t.Parallel()
	got := billing.NewManifest(draft(), 1_700_000_100)
	want := billing.Manifest{
		InvoiceID: "draft_1", Date: 1_700_000_000, CurrencyCode: "EUR", CustomerID: "ada", Subscriptions: []string{"s1", "s2"},
		Originals: []billing.InvoiceLine{
			{ID: "li_1", SubscriptionID: "s2", EntityType: "plan_item_price", EntityID: "team", Amount: 4900, From: 1, To: 2},
			{ID: "li_2", SubscriptionID: "s1"},
			{ID: "li_3", SubscriptionID: "s2"},
		},
		ClaimedAt: 1_700_000_100,
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("-want +got:\n%s", difference)
	}
}

// It describes only the draft from which it was created.
func TestManifest_Describes(t *testing.T) {
	t.Parallel()
	manifest := billing.NewManifest(draft(), 0)
	for name, test := range map[string]struct {
		change func(*billing.Invoice)
		want   bool
	}{
		"the same":               {func(*billing.Invoice) {}, true},
		"lines in another order": {func(i *billing.Invoice) { i.Lines[0], i.Lines[1] = i.Lines[1], i.Lines[0] }, true},
		"another text":           {func(i *billing.Invoice) { i.Lines[0].Description = "as agreed" }, true},
		"another id":             {func(i *billing.Invoice) { i.ID = "draft_2" }, false},
		"another date":           {func(i *billing.Invoice) { i.Date++ }, false},
		"another currency":       {func(i *billing.Invoice) { i.CurrencyCode = "USD" }, false},
		"another customer":       {func(i *billing.Invoice) { i.CustomerID = "bob" }, false},
		"of one subscription":    {func(i *billing.Invoice) { i.SubscriptionID = "s1" }, false},
		"another subscription":   {func(i *billing.Invoice) { i.Lines[1].SubscriptionID = "s3" }, false},
		"a line more": {func(i *billing.Invoice) {
			i.Lines = append(i.Lines, billing.InvoiceLine{ID: "li_4", SubscriptionID: "s1"})
		}, false},
		"a line less": {func(i *billing.Invoice) { i.Lines = i.Lines[:2] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := draft()
			test.change(&changed)
			if got := manifest.Describes(changed); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
