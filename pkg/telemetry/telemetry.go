package telemetry

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
)

// Namespace is the prefix of all metric names.
const Namespace = "billable"

// NewLogger returns a logger that writes to w. Level is debug, info, warn or error,
// format is json or text. A line that is logged with a context (zerolog's Ctx) that has a span gets the ids
// of the trace and the span.
func NewLogger(w io.Writer, level, format string) (zerolog.Logger, error) {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level: %w", err)
	}
	if format == "text" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Level(parsed).With().Timestamp().Logger().Hook(traceHook{}), nil
}

// NewRegistry returns a registry with the metrics of the Go runtime and the process, and with the version.
func NewRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "billable_build_info", Help: "1, with the version of the program."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	registry.MustRegister(
		build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
