package billing_test

import (
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// The plan has a line of every kind.
func TestNewPlan_Catalog(t *testing.T) {
	t.Parallel()
	catalog := billing.Catalog{
		"SMS.eu":  {ItemPriceID: "sms-EUR"},
		"storage": {Tax: billing.Tax{HSNCode: "998313", AvalaraTransactionType: new(int32)}},
		"unsold":  {ItemPriceID: "unsold-EUR"},
	}
	sms := event("a", "SMS.eu", "2.5")
	sms.Quantity, sms.Description = "7", "Text messages" // neither shows on the line
	fold := billing.NewAggregator(manifest)
	for _, event := range []billing.Event{sms, event("b", "calls", "3"), event("c", "storage", "4"), event("d", "sms.eu", "5")} {
		fold.Add(event)
	}
	lines, err := fold.Plan(0, catalog)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	item, plain, other, taxed := lines[0], lines[1], lines[2], lines[3]
	if item.ItemPriceID != "sms-EUR" || item.Amount != 2 || item.Marker != "" || item.Description != "" || item.IdempotencyKey == "" {
		t.Errorf("of an item price: %+v", item)
	}
	for _, line := range []billing.Line{plain, other} {
		if line.ItemPriceID != "" || line.Tax != (billing.Tax{}) || !strings.Contains(line.Description, line.Marker) || line.Marker == "" {
			t.Errorf("plain: %+v", line)
		}
	}
	if taxed.Tax != catalog["storage"].Tax || !strings.Contains(taxed.Description, line(taxed.Marker)) {
		t.Errorf("with tax fields: %+v", taxed)
	}
}

func line(marker string) string { return "[" + marker + "]" }
