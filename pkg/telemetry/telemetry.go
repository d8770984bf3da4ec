package telemetry

import (
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
)

// Metrics returns a factory of metrics, which are registered with the prefix billable_.
func Metrics(registry *prometheus.Registry) promauto.Factory {
	return promauto.With(prometheus.WrapRegistererWithPrefix("billable_", registry))
}

// NewLogger returns a logger that writes to w. level is debug, info, warn or error; format is json or text.
// Package config validates both. If the context of a line (zerolog's Ctx) has a span, the line gets the ids of
// trace and span.
func NewLogger(w io.Writer, level, format string) zerolog.Logger {
	parsed, _ := zerolog.ParseLevel(level)
	if format == "text" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Level(parsed).With().Timestamp().Logger().Hook(traceHook{})
}

// NewRegistry returns a registry with the metrics of the Go runtime and the process, and with the version.
func NewRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.GaugeOpts{Name: "build_info", Help: "1, with the version of the program."}
	Metrics(registry).NewGaugeVec(build, []string{"version"}).WithLabelValues(version).Set(1)
	return registry
}
