package billing

import "github.com/shopspring/decimal"

// FormatAmount formats an amount of minor units in the major unit, for example EUR 1.00. Without a currency the
// result is in minor units.
func FormatAmount(minor int64, currencyCode string) string {
	return formatAmount(decimal.NewFromInt(minor), currencyCode)
}

// FormatEventAmount formats the amount of an event, which may have fractions of the minor unit. It returns other
// texts, and numbers that are too long or too large, unchanged.
func FormatEventAmount(minor, currencyCode string) string {
	amount, err := decimal.NewFromString(minor)
	if err != nil || len(minor) > maxNumberLength || amount.Exponent() < -maxNumberLength || amount.Abs().GreaterThan(largestAmount) {
		return minor
	}
	return formatAmount(amount, currencyCode)
}

func formatAmount(minor decimal.Decimal, currencyCode string) string {
	if currencyCode == "" {
		return minor.String() + " in minor units"
	}
	places := decimalPlaces(currencyCode)
	major := minor.Shift(-places)
	return currencyCode + " " + major.StringFixed(max(places, -major.Exponent()))
}

// decimalPlaces returns the number of digits by which Chargebee shifts amounts of a currency: none for
// currencies that ISO 4217 gives no minor unit, two for all others.
// https://apidocs.chargebee.com/docs/api/currencies
func decimalPlaces(currencyCode string) int32 {
	switch currencyCode {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	default:
		return 2
	}
}
