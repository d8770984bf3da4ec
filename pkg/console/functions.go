package console

import (
	"html/template"
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/inspect"
)

var functions = template.FuncMap{
	"text":        cli.OrNone,
	"time":        cli.TimeOrNone,
	"age":         cli.FormatAge,
	"amount":      amount,
	"eventAmount": billing.FormatEventAmount,
	"body":        cli.IndentJSON,
	"reasons":     func() []billing.Reason { return append(billing.Reasons(), deadletter.NoReason) },
	"orders":      func() []string { return append([]string{"failed"}, slices.Sorted(maps.Keys(orders))...) },
	"timeline":    timeline,
	"timeOfDay":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"unix":        func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) },
	"list":        func(values ...any) []any { return values },
	"currencyOf": func(invoice *inspect.Invoice) string {
		if invoice == nil || invoice.Claims == nil {
			return ""
		}
		return invoice.Claims.CurrencyCode
	},
}

// amount formats minor units (int64 or *int64) of a currency (string or *string). Nil minor units become cli.None.
func amount(minor, currencyCode any) string {
	var code string
	switch currencyCode := currencyCode.(type) {
	case string:
		code = currencyCode
	case *string:
		code = orZero(currencyCode)
	}
	switch minor := minor.(type) {
	case int64:
		return billing.FormatAmount(minor, code)
	case *int64:
		if minor != nil {
			return billing.FormatAmount(*minor, code)
		}
	}
	return cli.None
}
