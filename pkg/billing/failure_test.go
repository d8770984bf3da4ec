package billing_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

func TestFailure_SiteLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure billing.Failure
		want    bool
	}{
		"the site":       {billing.Failure{Kind: billing.Limited}, true},
		"one invoice":    {billing.Failure{Kind: billing.Limited, Resource: true}, false},
		"an old answer":  {billing.Failure{Kind: billing.Limited, Replayed: true}, false},
		"something else": {billing.Failure{Kind: billing.Transient}, false},
	} {
		if _, got := test.failure.SiteLimit(); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
