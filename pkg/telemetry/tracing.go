package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/truncate"
)

// FlushTimeout is how long Tracing.Stop should be given: spans are worth no more.
const FlushTimeout = 3 * time.Second

const (
	// quiet is how often at most it is told that spans get lost.
	quiet = time.Minute
	// maxTracingError bounds what is repeated of a collector's answer.
	maxTracingError = 500
)

// scope names the instrumentation in every span.
const scope = "github.com/billable-events/billable"

// Tracing makes spans and sends them, in batches and beside the work, to a collector. A
// nil *Tracing is one that is off.
type Tracing struct {
	trace.Tracer

	provider *sdktrace.TracerProvider // nil: somebody else ends the tracer
	logger   zerolog.Logger
}

// Service is a program as traces name it, where OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES do not say otherwise.
type Service struct{ Name, Version string }

// NewTracing returns the tracing that the standard variables ask for, or nil if they ask
// for none: they name no collector (OTEL_EXPORTER_OTLP_ENDPOINT), or OTEL_SDK_DISABLED is
// true. What they ask for and cannot be had is told to the logger, and leaves tracing off:
// no reason not to work. Sampler, resource and size of batches are what OpenTelemetry's SDK
// reads in the process's own environment.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
func NewTracing(ctx context.Context, service Service, environ []string, logger zerolog.Logger) *Tracing {
	settings := variablesOf(environ)
	if !settings.wantTraces() {
		return nil
	}
	exporter, err := newExporter(ctx, settings)
	if err != nil {
		logger.Warn().Err(err).Msg("tracing is off")
		return nil
	}
	// The SDK has one place for its errors, for all of the process.
	lost := logger.Sample(&zerolog.BurstSampler{Burst: 1, Period: quiet})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { tellLost(lost, err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(describe(ctx, service)),
	)
	return &Tracing{Tracer: provider.Tracer(scope), provider: provider, logger: logger}
}

func newExporter(ctx context.Context, settings variables) (*otlptrace.Exporter, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	return otlptracehttp.New(ctx)
}

// describe is what every span says of its process.
func describe(ctx context.Context, service Service) *resource.Resource {
	described, err := resource.New(ctx,
		resource.WithAttributes(
			semconv.ServiceName(service.Name),
			semconv.ServiceVersion(service.Version),
			semconv.ServiceInstanceID(rand.Text()),
		),
		resource.WithHost(),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(),
	)
	if err != nil {
		otel.Handle(err) // what could be read counts
	}
	return described
}

func tellLost(logger zerolog.Logger, err error) {
	logger.Warn().Str("error", truncate.Bytes(err.Error(), maxTracingError)).Msg("spans may be lost")
}

// Stop sends what is left, as far as there is time, and ends. A collector that does not
// take it keeps no process from ending well.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil || t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		tellLost(t.logger, err)
	}
	return nil
}

// TraceParent returns the place of the context's span in its trace, in the form of the
// traceparent header, or "" if there is no span.
// https://www.w3.org/TR/trace-context/#traceparent-header
func TraceParent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	traceID, spanID := span.TraceID(), span.SpanID()
	return "00-" + hex.EncodeToString(traceID[:]) + "-" + hex.EncodeToString(spanID[:]) + "-" + span.TraceFlags().String()
}

// WithTraceParent returns a context whose spans go on with the trace that a traceparent
// names; one that is malformed or empty is none.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

// placeInTrace is a hook of the logger: a line that has the context of a span (Event.Ctx)
// tells its place in the trace.
// https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/
type placeInTrace struct{}

// Run implements zerolog.Hook.
func (placeInTrace) Run(line *zerolog.Event, _ zerolog.Level, _ string) {
	if span := trace.SpanContextFromContext(line.GetCtx()); span.IsValid() {
		line.Stringer("trace_id", span.TraceID()).Stringer("span_id", span.SpanID())
	}
}
