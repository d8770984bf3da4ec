package consumer

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/telemetry"
)

// A limit that grows again is logged once, not every minute.
func TestObserver_RateLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status ratelimit.Status
		level  string
	}{
		"the full limit": {ratelimit.Status{Control: ratelimit.Control{Scale: ratelimit.FullScale}}, "info"},
		"growing":        {ratelimit.Status{Control: ratelimit.Control{Scale: 620}}, "debug"},
		"paused":         {ratelimit.Status{Control: ratelimit.Control{Scale: 600, Pause: ratelimit.Pause{ID: "p", Seconds: 60}}}, "info"},
		"unreadable":     {ratelimit.Status{Control: ratelimit.Control{Scale: 600}, Err: errors.New("broken")}, "warn"},
	} {
		var log bytes.Buffer
		observer{logger: zerolog.New(&log)}.recordRateLimit(test.status)
		if !strings.Contains(log.String(), `"level":"`+test.level+`"`) {
			t.Errorf("%s: got %s", name, &log)
		}
	}
}

// A refused key is an error.
func TestObserver_RefusedKey(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int{"ok": 0, "limited": 0, "unauthorized": 1} {
		var log bytes.Buffer
		o := observer{metrics: newMetrics(telemetry.NewRegistry("test")), logger: zerolog.New(&log)}
		o.recordCall(t.Context(), chargebeeapi.Observation{Operation: "retrieve", Kind: kind, Status: 401})
		if got := strings.Count(log.String(), `"level":"error","operation":"retrieve","status":401,"message":"Chargebee refused the API key or the site"`); got != want {
			t.Errorf("%s: got %s", kind, &log)
		}
	}
}
