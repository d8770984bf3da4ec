package consumer

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry/manual"
)

// What docs/telemetry.md says of the consumer's metrics and log. TestOneTrace compares its
// spans.
func TestManual(t *testing.T) {
	t.Parallel()
	settings := config.DefaultConsumer()
	settings.Chargebee.Site, settings.Chargebee.APIKey = "acme-test", "key"
	wired, err := New(settings, Deps{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	manual.CheckMetrics(t, "Metrics of the consumer", wired.registry)
	manual.CheckLog(t, "Log of the consumer", ".")
}
