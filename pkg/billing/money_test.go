package billing_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

func TestFormatAmount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{100, "EUR", "EUR 1.00"},
		{-5, "EUR", "EUR -0.05"},
		{0, "USD", "USD 0.00"},
		{billing.MaxAmount, "EUR", "EUR 90071992547409.91"},
		{15, "JPY", "JPY 15"},
		{-15, "XOF", "XOF -15"},
		{1500, "KWD", "KWD 15.00"}, // Chargebee counts hundredths of currencies with three decimals, too
		{1500, "IDR", "IDR 15.00"},
		{7, "", "7 in minor units"},
	} {
		if got := billing.FormatAmount(test.minor, test.currency); got != test.want {
			t.Errorf("%d %s: got %s, want %s", test.minor, test.currency, got, test.want)
		}
	}
	for _, test := range []struct{ minor, currency, want string }{
		{"12.5", "EUR", "EUR 0.125"},
		{"30", "EUR", "EUR 0.30"},
		{"1e2", "JPY", "JPY 100"},
		{"0.5", "JPY", "JPY 0.5"},
		{"1e400", "EUR", "1e400"},
		{"1e-4000000", "EUR", "1e-4000000"},
		{"much", "EUR", "much"},
	} {
		if got := billing.FormatEventAmount(test.minor, test.currency); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.minor, test.currency, got, test.want)
		}
	}
}
