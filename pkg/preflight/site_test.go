package preflight_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/preflight"
)

// Only a certain difference is reported. The response took 2 s and names a second; the limits are 30 s
// and half of that.
func TestSiteFindings_Clock(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for off, want := range map[time.Duration]string{ // of the answer's time, from the sending
		0:                                    "",
		17 * time.Second:                     "", // 15 s ahead of the receiving
		17*time.Second + time.Millisecond:    "warning clock_drifts",
		32 * time.Second:                     "warning clock_drifts",
		32*time.Second + time.Millisecond:    "error clock_differs",
		-16 * time.Second:                    "", // its second ended 15 s before the sending
		-16*time.Second - time.Millisecond:   "warning clock_drifts",
		-31 * time.Second:                    "warning clock_drifts",
		-31*time.Second - time.Millisecond:   "error clock_differs",
		-365 * 24 * time.Hour:                "error clock_differs",
		365*24*time.Hour + time.Microsecond:  "error clock_differs",
		time.Second + 500*time.Millisecond:   "",
		-time.Second + 500*time.Microsecond:  "",
		15 * time.Second:                     "",
		-15*time.Second - 1*time.Microsecond: "",
	} {
		got := wrong(preflight.SiteFindings(preflight.Site{
			Time: sent.Add(off), Sent: sent, Received: sent.Add(2 * time.Second), MaxSkew: 30 * time.Second,
		}))
		if got != want {
			t.Errorf("%s: got %q, want %q", off, got, want)
		}
	}
	if got := wrong(preflight.SiteFindings(preflight.Site{Sent: sent, Received: sent})); got != "warning clock_unknown" {
		t.Errorf("without a time: got %q", got)
	}
}

func TestSiteFindings(t *testing.T) {
	t.Parallel()
	for want, site := range map[string]preflight.Site{
		"warning site_not_asked":  {NotCalled: errors.New("no share")},
		"error site_not_found":    {Err: &billing.Failure{Kind: billing.Unauthorized, Status: 404, Code: "site_not_found"}},
		"error site_unauthorized": {Err: &billing.Failure{Kind: billing.Unauthorized, Status: 401}},
		"error site_over_limit":   {Err: &billing.Failure{Kind: billing.Limited, Status: 429, RetryAfter: 20 * time.Second}},
		"error site_not_ready":    {Err: &billing.Failure{Kind: billing.Transient, Status: 503, Code: "site_not_ready"}},
		"error site_no_answer":    {Err: &billing.Failure{Kind: billing.Transient}},
	} {
		findings := preflight.SiteFindings(site)
		if got := wrong(findings); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if want == "error site_over_limit" && !strings.Contains(findings[0].Message, "for 20s") {
			t.Errorf("got %+v", findings)
		}
	}
}
