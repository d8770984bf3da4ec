package billing_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// TestWhatAHeadHolds says for which invoices events are claimed, and which begin anew.
func TestWhatAHeadHolds(t *testing.T) {
	t.Parallel()
	const rejected, settling = billing.Rejected, billing.Settling
	for name, test := range map[string]struct {
		head      billing.Head
		holds     bool
		givenBack bool
	}{
		"claiming":                               {billing.Head{State: billing.Claiming}, true, false},
		"charging":                               {billing.Head{State: billing.Charging, Pages: 1}, true, false},
		"settling, all given back already":       {billing.Head{State: settling, Verdict: "rr", Pages: 1, Settled: 1}, true, false},
		"releasing":                              {billing.Head{State: billing.Releasing, Pages: 1}, true, false},
		"done":                                   {billing.Head{State: billing.Finished, Verdict: "rr"}, false, false},
		"rejected before anything was sent":      {billing.Head{State: rejected, Resume: billing.Claiming, Pages: 1, Settled: 1}, false, true},
		"rejected while releasing":               {billing.Head{State: rejected, Resume: billing.Releasing, Pages: 2, Settled: 1}, true, false},
		"rejected while charging":                {billing.Head{State: rejected, Resume: billing.Charging, Pages: 1}, true, false},
		"rejected while closing":                 {billing.Head{State: rejected, Resume: billing.Closing, Pages: 1}, true, false},
		"rejected while settling":                {billing.Head{State: rejected, Resume: settling, Pages: 2, Settled: 1}, true, false},
		"a line is held":                         {billing.Head{State: rejected, Resume: settling, Verdict: "srh", Pages: 1, Settled: 1}, true, false},
		"all lines were given back":              {billing.Head{State: rejected, Resume: settling, Verdict: "rr", Pages: 2, Settled: 2}, false, true},
		"all lines are being given back":         {billing.Head{State: rejected, Resume: settling, Verdict: "rr", Pages: 2, Settled: 1}, true, false},
		"some were billed, some given back":      {billing.Head{State: rejected, Resume: settling, Verdict: "sr", Pages: 2, Settled: 2}, false, false},
		"a letter that is not known, as if held": {billing.Head{State: rejected, Resume: settling, Verdict: "r?", Pages: 1, Settled: 1}, true, false},
	} {
		if got := test.head.HoldsClaims(); got != test.holds {
			t.Errorf("%s: it holds claims: %t", name, got)
		}
		if got := test.head.GivenBack(); got != test.givenBack {
			t.Errorf("%s: all is given back: %t", name, got)
		}
	}
}

// TestText is a description without its marker.
func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line billing.Line
		want string
	}{
		"of an ad-hoc line":     {billing.Line{Description: "Calls [sic] (3) [aaaaaaaaaaaa]", Marker: "aaaaaaaaaaaa"}, "Calls [sic] (3)"},
		"of an item price line": {billing.Line{ItemPriceID: "calls-EUR"}, ""},
	} {
		if got := test.line.Text(); got != test.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
