package consumer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry/telemetrydoc"
)

// It compares names, labels and meanings. The tests of package commands compare logs and spans.
func TestMetrics_Documented(t *testing.T) {
	t.Parallel()
	settings := config.DefaultConsumer()
	settings.Chargebee.Site, settings.Chargebee.APIKey = "acme-test", "key"
	wired, err := New(settings, Deps{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(telemetrydoc.Table(t, "Metrics of the consumer"), telemetrydoc.Metrics(wired.registry)); diff != "" {
		t.Errorf("docs/telemetry.md (-) and the registry (+) differ:\n%s", diff)
	}
}
