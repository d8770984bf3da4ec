package preflight

import (
	"time"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// RateLimitUnread evaluates the error of reading the state of the rate limiter. It returns no finding for
// a missing permission: Permissions reports it.
func RateLimitUnread(err error, denied bool) []Finding {
	if denied {
		return nil
	}
	f := &findings{subject: subjectRateLimit}
	f.addf(finding.Error, "rate_limit_unread", "check ledger.table, region, credentials and network", "%v", err)
	return f.list
}

// RateLimit evaluates the state of the rate limiter that all processes share, and the settings of the
// limits.
func RateLimit(state ratelimit.State, settings config.Consumer) []Finding {
	f := &findings{subject: subjectRateLimit}
	limit, maxConcurrent, concurrency := settings.Chargebee.RequestsPerMinute, settings.Chargebee.MaxConcurrent, settings.Worker.Concurrency
	f.addf(finding.OK, "rate_limit", "", "all processes together make at most %d calls a minute", int64(limit)*state.Scale/ratelimit.FullScale)
	if concurrency <= maxConcurrent {
		f.addf(finding.OK, "concurrency", "", "up to %d consumers of %d workers stay within %d simultaneous calls",
			maxConcurrent/concurrency, concurrency, maxConcurrent)
	} else {
		f.addf(finding.Error, "concurrency_above_max_concurrent", "lower worker.concurrency: replicas × worker.concurrency must not exceed chargebee.max_concurrent",
			"worker.concurrency is %d: one consumer alone can exceed chargebee.max_concurrent (%d)", concurrency, maxConcurrent)
	}
	if pause := state.OperatorPause; pause.InForce() {
		f.addf(finding.Warning, "operator_pause", "resume calls with consumer resume --yes",
			"calls are paused by an operator since %s: %s", time.Unix(pause.Since, 0).UTC().Format(time.RFC3339), pause.Reason)
	}
	if pause := state.Pause; pause.InForce() {
		f.addf(finding.Warning, "rate_limit_pause", "none: calls resume automatically", "calls are paused for %d s: %s", pause.Seconds, pause.Reason)
	}
	if state.Scale < ratelimit.FullScale {
		f.addf(finding.Warning, "limit_reduced", "lower chargebee.requests_per_minute to the site's limit minus the calls of other integrations",
			"%.1f %% of the limit is used after a 429; it grows by 2 %% per minute", float64(state.Scale)*100/ratelimit.FullScale)
	}
	if lastLimit := state.RequestsPerMinute; lastLimit != 0 && lastLimit != int64(limit) {
		f.addf(finding.Warning, "requests_per_minute_differs", "use the same chargebee.requests_per_minute for all consumers and commands",
			"chargebee.requests_per_minute is %d in the process with the last call, and %d here", lastLimit, limit)
	}
	if limit > config.MaxPlanRate {
		f.addf(finding.Warning, "requests_per_minute_above_plans", "set chargebee.requests_per_minute to the limit of the site's plan minus the calls of other integrations",
			"chargebee.requests_per_minute is %d, but no plan of Chargebee includes more than %d", limit, config.MaxPlanRate)
	}
	return f.list
}
