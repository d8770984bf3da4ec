package preflight

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
)

// Site is the observed state of Chargebee.
type Site struct {
	NotCalled error // why Chargebee was not called; then all other fields are unused
	Err       error // of the call

	Time           time.Time // Date of the response, in whole seconds; zero: unknown
	Sent, Received time.Time // of request and response, by the clock of this machine
	MaxSkew        time.Duration
}

// SiteFindings evaluates the response of Chargebee, and its clock.
func SiteFindings(site Site) []Finding {
	f := &findings{subject: subjectChargebee}
	switch {
	case site.NotCalled != nil:
		f.addf(finding.Warning, "site_not_asked", "run check again when calls are possible", "Chargebee was not called: %v", site.NotCalled)
	case site.Err != nil:
		f.siteError(site.Err)
	default:
		f.addf(finding.OK, "site_answers", "", "Chargebee answered in %s", rounded(site.Received.Sub(site.Sent)))
		f.clock(site)
	}
	return f.list
}

func (f *findings) siteError(err error) {
	failure, _ := errors.AsType[*billing.Failure](err)
	failure = cmp.Or(failure, &billing.Failure{}) // no case but the default selects other errors
	switch {
	case failure.Code == "site_not_found":
		f.addf(finding.Error, "site_not_found", "set chargebee.site to the name before .chargebee.com", "%v", err)
	case failure.Kind == billing.Unauthorized:
		f.addf(finding.Error, "site_unauthorized", "set chargebee.api_key to a key of this site that may read and change invoices", "%v", err)
	case failure.Kind == billing.Limited:
		wait := "for an unknown time"
		if failure.RetryAfter > 0 {
			wait = fmt.Sprintf("for %s", failure.RetryAfter)
		}
		f.addf(finding.Error, "site_over_limit", "lower chargebee.requests_per_minute to the site's limit minus the calls of other integrations",
			"Chargebee refuses calls %s: %v", wait, err)
	case failure.Kind == billing.Transient && failure.Status != 0:
		f.addf(finding.Error, "site_not_ready", "wait until Chargebee's maintenance is over", "%v", err)
	default:
		f.addf(finding.Error, "site_no_answer", "check chargebee.site or chargebee.base_url, proxy and network", "%v", err)
	}
}

// ClockDifference returns by how much the clock of this machine is ahead of Chargebee's, at least; it is
// negative if this clock is behind, and 0 if these intervals overlap:
//
//	Chargebee's clock   [date, date + 1 s], by the Date of the response
//	this clock          [sent, received]
func ClockDifference(date, sent, received time.Time) time.Duration {
	if ahead := sent.Sub(date.Add(time.Second)); ahead > 0 {
		return ahead
	}
	return min(received.Sub(date), 0)
}

// DescribeClockDifference describes a result of ClockDifference, which is not 0.
func DescribeClockDifference(difference, maxSkew time.Duration) string {
	direction := "ahead of"
	if difference < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("the clock of this machine is %s or more %s Chargebee's, clock.max_skew is %s", rounded(difference.Abs()), direction, maxSkew)
}

// ClockRemedy is the solution for clocks that differ.
const ClockRemedy = "set the clock of this machine by NTP, or raise clock.max_skew for all consumers"

// clock evaluates the difference of the clocks. More than half of the maximum skew is a warning: two machines
// with that difference, one ahead and one behind, differ by more than the maximum from each other.
func (f *findings) clock(site Site) {
	if site.Time.IsZero() {
		f.addf(finding.Warning, "clock_unknown", "check the clock of this machine", "the response of Chargebee has no date")
		return
	}
	difference := ClockDifference(site.Time, site.Sent, site.Received)
	text := DescribeClockDifference(difference, site.MaxSkew)
	switch {
	case difference.Abs() > site.MaxSkew:
		f.addf(finding.Error, "clock_differs", ClockRemedy, "%s: leases and windows are not safe", text)
	case 2*difference.Abs() > site.MaxSkew:
		f.addf(finding.Warning, "clock_drifts", ClockRemedy, "%s", text)
	default:
		f.addf(finding.OK, "clock", "", "the clock of this machine and Chargebee's agree within %s", rounded(difference.Abs()+site.Received.Sub(site.Sent)+time.Second))
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
