package receiver

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry/manual"
)

// docs/telemetry.md lists the receiver's metrics and log. TestOneTrace in package
// consumer compares its spans.
func TestManual(t *testing.T) {
	t.Parallel()
	wired := New(config.DefaultReceiver(), Deps{}, zerolog.Nop())
	manual.CheckMetrics(t, "Metrics of the receiver", wired.registry)
	manual.CheckLog(t, "Log of the receiver", ".")
	manual.CheckLog(t, manual.Both, "../telemetry")
}
