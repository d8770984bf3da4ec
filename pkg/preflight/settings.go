package preflight

import "github.com/billable-events/billable/pkg/finding"

// MaxAmount evaluates invoice.max_amount, in minor units.
func MaxAmount(maxAmount int64) []Finding {
	f := &findings{subject: "settings"}
	if maxAmount == 0 {
		f.addf(finding.Warning, "max_amount_not_set", "set invoice.max_amount above the largest charge that you expect on one invoice, in minor units",
			"invoice.max_amount is not set: one wrong event can charge any amount")
		return f.list
	}
	f.addf(finding.OK, "max_amount", "", "charges above %d minor units on one invoice are rejected", maxAmount)
	return f.list
}
