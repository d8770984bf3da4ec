package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// ReloadFailures returns a function for config.Watch. It counts each failed reload of credential files, and
// logs the first of a series.
func ReloadFailures(registry *prometheus.Registry, logger zerolog.Logger) func(err error, first bool) {
	failures := Metrics(registry).NewCounter(prometheus.CounterOpts{
		Name: "credentials_reload_failures_total", Help: "Failed attempts to reload credential files.",
	})
	return func(err error, first bool) {
		failures.Inc()
		if first {
			logger.Error().Err(err).Msg("credential reload failed; keeping current credentials")
		}
	}
}
