package preflight

import (
	"time"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// RateLimitUnread returns the findings when the state of the rate limiter could not be read.
// If that was denied, it is a finding of Permissions.
func RateLimitUnread(err error, denied bool) []Finding {
	if denied {
		return nil
	}
	f := &findings{subject: "rate limit"}
	f.addf(finding.Error, "rate_limit_unread", "check ledger.table, region, credentials and network", "%v", err)
	return f.list
}

// Limits are the settings of the process that asks.
type Limits struct {
	RequestsPerMinute int // chargebee.requests_per_minute
	MaxConcurrent     int // chargebee.max_concurrent
	Concurrency       int // worker.concurrency
}

// mostPerMinute is what the largest plan allows a site.
// https://www.chargebee.com/docs/billing/2.0/kb/platform/what-are-the-chargebee-api-limits
const maxPlanRate = 3500

// RateLimit returns findings about the rate limiter that all processes share, and about the
// simultaneous calls of this one.
func RateLimit(state ratelimit.State, limits Limits) []Finding {
	f := &findings{subject: "rate limit"}
	f.addf(finding.OK, "rate_limit", "", "all processes together make at most %d calls a minute", int64(limits.RequestsPerMinute)*state.Scale/ratelimit.FullScale)
	if limits.Concurrency <= limits.MaxConcurrent {
		f.addf(finding.OK, "concurrency", "", "up to %d consumers of %d workers stay within %d simultaneous calls",
			limits.MaxConcurrent/limits.Concurrency, limits.Concurrency, limits.MaxConcurrent)
	}

	if pause := state.OperatorPause; pause.InForce() {
		f.addf(finding.Warning, "operator_pause", "let calls go on with: consumer resume --yes",
			"calls are paused by an operator since %s: %s", time.Unix(pause.Since, 0).UTC().Format(time.RFC3339), pause.Reason)
	}
	if pause := state.Pause; pause.InForce() {
		f.addf(finding.Warning, "rate_limit_pause", "none: calls go on by themselves", "no calls for %d s: %s", pause.Seconds, pause.Reason)
	}
	if state.Scale < ratelimit.FullScale {
		f.addf(finding.Warning, "limit_reduced", "lower chargebee.requests_per_minute to what others leave of the site's limit, or find out who else calls it",
			"after a 429 %.1f %% of the limit are used; 2 %% are added every minute", float64(state.Scale)*100/ratelimit.FullScale)
	}
	if granted := state.RequestsPerMinute; granted != 0 && granted != int64(limits.RequestsPerMinute) {
		f.addf(finding.Warning, "requests_per_minute_differs", "give all consumers and commands the same chargebee.requests_per_minute",
			"the process that called last has chargebee.requests_per_minute %d, here it is %d", granted, limits.RequestsPerMinute)
	}
	if limits.RequestsPerMinute > maxPlanRate {
		f.addf(finding.Warning, "requests_per_minute_above_plans", "set chargebee.requests_per_minute to what the site's plan allows, less what other integrations use",
			"chargebee.requests_per_minute is %d, and no plan of Chargebee allows more than %d by itself", limits.RequestsPerMinute, maxPlanRate)
	}
	if limits.Concurrency > limits.MaxConcurrent {
		f.addf(finding.Error, "concurrency_above_max_concurrent", "lower worker.concurrency: replicas × worker.concurrency has to stay within chargebee.max_concurrent",
			"worker.concurrency is %d: one consumer alone can exceed chargebee.max_concurrent (%d)", limits.Concurrency, limits.MaxConcurrent)
	}
	return f.list
}
