package preflight_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/ratelimit"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	settings := config.DefaultConsumer()
	settings.Chargebee.RequestsPerMinute, settings.Worker.Concurrency = 600, 15
	for name, test := range map[string]struct {
		change func(*ratelimit.State, *config.Consumer)
		level  finding.Level
		want   string // of the last finding
	}{
		"healthy": {
			change: func(*ratelimit.State, *config.Consumer) {},
			level:  finding.OK, want: "up to 3 consumers of 15 workers stay within 50 simultaneous calls",
		},
		"no grant yet": {
			change: func(s *ratelimit.State, _ *config.Consumer) { s.RequestsPerMinute = 0 },
			level:  finding.OK, want: "up to 3 consumers",
		},
		"operator pause": {
			change: func(s *ratelimit.State, _ *config.Consumer) {
				s.OperatorPause = ratelimit.OperatorPause{Reason: "month end", Since: 1_790_000_000}
			},
			level: finding.Warning, want: "calls are paused by an operator since 2026-09-21T14:13:20Z: month end",
		},
		"rate-limit pause": {
			change: func(s *ratelimit.State, _ *config.Consumer) {
				s.Pause = ratelimit.Pause{ID: "1", Seconds: 30, Reason: "over"}
			},
			level: finding.Warning, want: "calls are paused for 30 s: over",
		},
		"reduced": {
			change: func(s *ratelimit.State, _ *config.Consumer) { s.Scale = 620 },
			level:  finding.Warning, want: "62.0 % of the limit",
		},
		"another limit": {
			change: func(s *ratelimit.State, _ *config.Consumer) { s.RequestsPerMinute = 150 },
			level:  finding.Warning, want: "chargebee.requests_per_minute is 150 in the process with the last call, and 600 here",
		},
		"above all plans": {
			change: func(s *ratelimit.State, c *config.Consumer) {
				s.RequestsPerMinute, c.Chargebee.RequestsPerMinute = 4000, 4000
			},
			level: finding.Warning, want: "no plan of Chargebee includes more than 3500",
		},
		"too many workers": {
			change: func(_ *ratelimit.State, c *config.Consumer) { c.Worker.Concurrency = 51 },
			level:  finding.Error, want: "one consumer alone can exceed chargebee.max_concurrent (50)",
		},
		"as many workers as calls": {
			change: func(_ *ratelimit.State, c *config.Consumer) { c.Worker.Concurrency = 50 },
			level:  finding.OK, want: "up to 1 consumers of 50 workers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := ratelimit.State{RequestsPerMinute: 600, Control: ratelimit.Control{Scale: ratelimit.FullScale}}
			settings := settings
			test.change(&state, &settings)
			findings := preflight.RateLimit(state, settings)
			last := findings[len(findings)-1]
			if last.Level != test.level || !strings.Contains(last.Message, test.want) {
				t.Errorf("got %+v", findings)
			}
			if (last.Level != finding.OK) != (last.Solution != "") {
				t.Errorf("finding %q, solution %q", last.Message, last.Solution)
			}
			if preflight.Failed(findings) != (test.level == finding.Error) {
				t.Errorf("failed is %t", preflight.Failed(findings))
			}
		})
	}
}

func TestRateLimitUnread(t *testing.T) {
	t.Parallel()
	if found := preflight.RateLimitUnread(errors.New("broken"), true); len(found) != 0 {
		t.Errorf("denied: got %+v", found)
	}
	if found := preflight.RateLimitUnread(errors.New("broken"), false); !preflight.Failed(found) {
		t.Errorf("got %+v", found)
	}
}
