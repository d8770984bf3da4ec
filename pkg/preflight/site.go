package preflight

import (
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
)

// Site is what came of asking Chargebee.
type Site struct {
	Unasked error // why it was not asked
	Err     error // why it did not answer as it should

	Time           time.Time // of the answer, cut to the second; zero: it does not say
	Sent, Received time.Time // by the clock of this machine
	MaxSkew        time.Duration
}

// SiteFindings judges how Chargebee answers, and its clock.
func SiteFindings(site Site) []Finding {
	f := &findings{subject: "chargebee"}
	if site.Unasked != nil {
		f.addf(finding.Warning, "site_not_asked", "start it again once calls can be made", "Chargebee was not asked: %v", site.Unasked)
		return f.list
	}
	if site.Err != nil {
		f.answer(site.Err)
		return f.list
	}
	f.addf(finding.OK, "site_answers", "", "Chargebee answered in %s", site.Received.Sub(site.Sent).Round(time.Millisecond))
	f.clock(site)
	return f.list
}

func (f *findings) answer(err error) {
	failure, _ := errors.AsType[*billing.Failure](err)
	switch {
	case failure != nil && failure.Code == "site_not_found":
		f.addf(finding.Error, "site_not_found", "set chargebee.site to the name before .chargebee.com", "%v", err)
	case failure != nil && failure.Kind == billing.Unauthorized:
		f.addf(finding.Error, "site_unauthorized", "set chargebee.api_key to a key of this site that may read and change invoices", "%v", err)
	case failure != nil && failure.Kind == billing.Limited:
		wait := "it did not say for how long"
		if failure.RetryAfter > 0 {
			wait = fmt.Sprintf("for %s", failure.RetryAfter)
		}
		f.addf(finding.Error, "site_over_limit", "lower chargebee.requests_per_minute to what others leave of the site's limit, or find out who else calls it",
			"Chargebee takes no calls, %s: %v", wait, err)
	case failure != nil && failure.Kind == billing.Transient && failure.Status != 0:
		f.addf(finding.Error, "site_not_ready", "wait until Chargebee's maintenance is over", "%v", err)
	default:
		f.addf(finding.Error, "site_no_answer", "check chargebee.site or chargebee.base_url, proxy and network", "%v", err)
	}
}

// clock compares the clocks. Chargebee's stood somewhere within the second that its
// answer names, and this machine's somewhere between sending and receiving: what counts is
// the least by which they differ for sure. Pods that differ from Chargebee's by half of
// what is allowed may differ from each other by all of it.
func (f *findings) clock(site Site) {
	if site.Time.IsZero() {
		f.addf(finding.Warning, "clock_unknown", "look at the clock by other means", "Chargebee's answer does not say what time it is")
		return
	}
	ahead := site.Sent.Sub(site.Time.Add(time.Second))
	behind := site.Time.Sub(site.Received)
	least, direction := max(ahead, behind, 0), "ahead of"
	if behind > ahead {
		direction = "behind"
	}
	const remedy = "set the clock of this machine by NTP, or raise clock.max_skew for all consumers"
	switch {
	case least > site.MaxSkew:
		f.addf(finding.Error, "clock_differs", remedy, "the clock of this machine is %s or more %s Chargebee's, clock.max_skew is %s: leases and windows do not hold", rounded(least), direction, site.MaxSkew)
	case 2*least > site.MaxSkew:
		f.addf(finding.Warning, "clock_drifts", remedy, "the clock of this machine is %s or more %s Chargebee's, clock.max_skew is %s", rounded(least), direction, site.MaxSkew)
	default:
		f.addf(finding.OK, "clock", "", "the clock of this machine and Chargebee's agree within %s", rounded(max(ahead, behind, 0)+site.Received.Sub(site.Sent)+time.Second))
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
