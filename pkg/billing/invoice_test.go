package billing_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/billing"
)

// TestMarksAgreesWithCount on descriptions full of brackets.
func TestMarksAgreesWithCount(t *testing.T) {
	t.Parallel()
	markers := []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "c2c3c4c5c6c7"}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{"[", "]", "[]", "[short]", "[aaaaaaaaaaaa", "aaaaaaaaaaaa]", "[[aaaaaaaaaaaa]]", "ü", " "}),
			rapid.Map(rapid.SampledFrom(markers), func(marker string) string { return "[" + marker + "]" }),
		)
		var invoice billing.Invoice
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			text := ""
			for _, part := range rapid.SliceOfN(piece, 0, 6).Draw(t, "text") {
				text += part
			}
			invoice.Lines = append(invoice.Lines, billing.InvoiceLine{Description: text})
		}
		marks := invoice.Marks()
		for _, marker := range markers {
			if got, want := marks[marker], invoice.Count(marker); got != want {
				t.Errorf("%+v: %d lines with %s, want %d", invoice.Lines, got, marker, want)
			}
		}
	})
}
