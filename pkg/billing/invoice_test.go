package billing_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/billing"
)

// TestMarksAgreesWithCount on descriptions full of brackets, and on item prices.
func TestMarksAgreesWithCount(t *testing.T) {
	t.Parallel()
	markers := []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "c2c3c4c5c6c7"}
	lines := []billing.Line{
		{SubscriptionID: "s1", ItemPriceID: "sms-EUR", Amount: 5, From: 1, To: 2},
		{SubscriptionID: "s2", ItemPriceID: "gb-EUR", Amount: 6, From: 1, To: 2},
	}
	for _, marker := range markers {
		lines = append(lines, billing.Line{Marker: marker})
	}
	originals := []string{"li_3"}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{"[", "]", "[]", "[short]", "[aaaaaaaaaaaa", "aaaaaaaaaaaa]", "[[aaaaaaaaaaaa]]", "ü", " "}),
			rapid.Map(rapid.SampledFrom(markers), func(marker string) string { return "[" + marker + "]" }),
		)
		invoice := billing.Invoice{SubscriptionID: rapid.SampledFrom([]string{"", "s1"}).Draw(t, "own")}
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			text := ""
			for _, part := range rapid.SliceOfN(piece, 0, 6).Draw(t, "text") {
				text += part
			}
			invoice.Lines = append(invoice.Lines, billing.InvoiceLine{
				ID:             rapid.SampledFrom([]string{"li_1", "li_2", "li_3"}).Draw(t, "id"),
				SubscriptionID: rapid.SampledFrom([]string{"", "s1", "s2"}).Draw(t, "subscription"),
				EntityType:     rapid.SampledFrom([]string{billing.EntityAdHoc, billing.EntityChargeItemPrice}).Draw(t, "type"),
				EntityID:       rapid.SampledFrom([]string{"sms-EUR", "gb-EUR"}).Draw(t, "item price"),
				Amount:         rapid.Int64Range(5, 6).Draw(t, "amount"),
				From:           1,
				To:             2,
				Description:    text,
			})
		}
		marks := invoice.Marks(originals)
		for _, line := range lines {
			if got, want := marks[line.Mark()], invoice.Count(line.Mark(), originals); got != want {
				t.Errorf("%+v: %d lines %s, want %d", invoice.Lines, got, line.Mark(), want)
			}
		}
	})
}
