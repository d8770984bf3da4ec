package billing_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// TestRecord_HoldsClaims has the invoices for which events are claimed, and those that begin a new epoch.
func TestRecord_HoldsClaims(t *testing.T) {
	t.Parallel()
	const rejected, settling = billing.Rejected, billing.Settling
	for name, test := range map[string]struct {
		head     billing.Record
		holds    bool
		released bool
	}{
		"claiming":                               {billing.Record{State: billing.Claiming}, true, false},
		"charging":                               {billing.Record{State: billing.Charging, Pages: 1}, true, false},
		"settling, all given back already":       {billing.Record{State: settling, Dispositions: "rr", Pages: 1, ProcessedPages: 1}, true, false},
		"releasing":                              {billing.Record{State: billing.Releasing, Pages: 1}, true, false},
		"done":                                   {billing.Record{State: billing.Finished, Dispositions: "rr"}, false, false},
		"rejected before anything was sent":      {billing.Record{State: rejected, Resume: billing.Claiming, Pages: 1, ProcessedPages: 1}, false, true},
		"rejected while releasing":               {billing.Record{State: rejected, Resume: billing.Releasing, Pages: 2, ProcessedPages: 1}, true, false},
		"rejected while charging":                {billing.Record{State: rejected, Resume: billing.Charging, Pages: 1}, true, false},
		"rejected while closing":                 {billing.Record{State: rejected, Resume: billing.Closing, Pages: 1}, true, false},
		"rejected while settling":                {billing.Record{State: rejected, Resume: settling, Pages: 2, ProcessedPages: 1}, true, false},
		"a line is held":                         {billing.Record{State: rejected, Resume: settling, Dispositions: "srh", Pages: 1, ProcessedPages: 1}, true, false},
		"all lines were given back":              {billing.Record{State: rejected, Resume: settling, Dispositions: "rr", Pages: 2, ProcessedPages: 2}, false, true},
		"all lines are being given back":         {billing.Record{State: rejected, Resume: settling, Dispositions: "rr", Pages: 2, ProcessedPages: 1}, true, false},
		"some were billed, some given back":      {billing.Record{State: rejected, Resume: settling, Dispositions: "sr", Pages: 2, ProcessedPages: 2}, false, false},
		"a letter that is not known, as if held": {billing.Record{State: rejected, Resume: settling, Dispositions: "r?", Pages: 1, ProcessedPages: 1}, true, false},
	} {
		if got := test.head.HoldsClaims(); got != test.holds {
			t.Errorf("%s: it holds claims: %t", name, got)
		}
		if got := test.head.ClaimsReleased(); got != test.released {
			t.Errorf("%s: all is given back: %t", name, got)
		}
	}
}

// The text is the description without its marker.
func TestLine_Text(t *testing.T) {
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
