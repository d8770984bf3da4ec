package telemetry

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billable-events/billable/pkg/truncate"
)

// FlushTimeout is the maximum time that shutdown spends on the remaining spans.
const FlushTimeout = 3 * time.Second

const (
	// lossLogInterval is the minimum time between two log lines about lost spans, until Stop.
	lossLogInterval = time.Minute
	// maxTracingError is the maximum length in bytes of an error of tracing in the log.
	maxTracingError = 500
)

// scope is the name of the OpenTelemetry tracer, which every span has.
const scope = "github.com/billable-events/billable"

// Tracing makes spans and sends them to a collector in the background. If tracing is disabled, it is nil: then
// only Stop can be called.
type Tracing struct {
	trace.Tracer

	provider *sdktrace.TracerProvider // nil in tests
	logger   zerolog.Logger
}

// Service identifies the program in traces. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// override it.
type Service struct{ Name, Version string }

// NewTracing returns the tracing that OpenTelemetry's variables in environ configure. It returns nil if they
// set neither OTEL_EXPORTER_OTLP_ENDPOINT nor OTEL_TRACES_EXPORTER, disable tracing, or are invalid, which it
// logs. The SDK reads further variables from the environment of the process.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
func NewTracing(ctx context.Context, service Service, environ []string, logger zerolog.Logger) *Tracing {
	settings := variablesOf(environ)
	if !settings.hasTracing() {
		return nil
	}
	exporter, err := newExporter(ctx, settings)
	if err != nil {
		logger.Warn().Err(err).Msg("tracing is off")
		return nil
	}
	// The SDK has one error handler for the process.
	lost := logger.Sample(&zerolog.BurstSampler{Burst: 1, Period: lossLogInterval})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logSpanLoss(lost, err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(newResource(ctx, service)),
	)
	return &Tracing{Tracer: provider.Tracer(scope), provider: provider, logger: logger}
}

// newExporter checks the settings, which the exporter reads from the environment of the process.
func newExporter(ctx context.Context, settings variables) (*otlptrace.Exporter, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	return otlptracehttp.New(ctx)
}

func newResource(ctx context.Context, service Service) *resource.Resource {
	attributes, err := resource.New(ctx,
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
		otel.Handle(err) // attributes has those that could be read
	}
	return attributes
}

func logSpanLoss(logger zerolog.Logger, err error) {
	logger.Warn().Str("error", truncate.Bytes(err.Error(), maxTracingError)).Msg("spans may be lost")
}

// Stop sends the remaining spans until ctx ends. Export errors are logged and not returned.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil || t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		logSpanLoss(t.logger, err)
	}
	return nil
}

// SetSpanError marks a span as failed, with the type of the error.
func SetSpanError(span trace.Span, errorType string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
	span.SetStatus(codes.Error, "")
}

const traceParentHeader = "traceparent"

// TraceParent returns the trace context as a traceparent header, or "" if there is no span.
// https://www.w3.org/TR/trace-context/#traceparent-header
func TraceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceParentHeader]
}

// WithTraceParent returns a context with the trace context of a traceparent header, or ctx if the header is
// malformed or empty.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParentHeader: parent})
}

// traceHook adds the ids of trace and span to a line.
// https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/
type traceHook struct{}

func (traceHook) Run(line *zerolog.Event, _ zerolog.Level, _ string) {
	if span := trace.SpanContextFromContext(line.GetCtx()); span.IsValid() {
		line.Stringer("trace_id", span.TraceID()).Stringer("span_id", span.SpanID())
	}
}
