package receiver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry/telemetrydoc"
)

// TestMetrics_AreInTheDocs compares names, labels and meanings. The command tests compare logs and
// spans.
func TestMetrics_AreInTheDocs(t *testing.T) {
	t.Parallel()
	wired := New(config.DefaultReceiver(), Deps{}, zerolog.Nop())
	if diff := cmp.Diff(telemetrydoc.Table(t, "Metrics of the receiver"), telemetrydoc.Metrics(wired.registry)); diff != "" {
		t.Errorf("docs/telemetry.md (-) and the registry (+) differ:\n%s", diff)
	}
}
