package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/billable-events/billable/pkg/telemetry"
)

func TestNewTracing_Enabled(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for _, test := range []struct {
		environ []string
		on      bool
		logged  string // why it is off although it was asked for
	}{
		{nil, false, ""},
		{[]string{"OTEL_SERVICE_NAME=x", "OTEL_TRACES_SAMPLER=always_on"}, false, ""},
		{[]string{endpoint}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://127.0.0.1:4318/v1/traces"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER=otlp"}, true, ""},
		{[]string{endpoint, "OTEL_SDK_DISABLED=true"}, false, ""},
		{[]string{endpoint, "OTEL_SDK_DISABLED=True"}, false, ""},
		{[]string{endpoint, "OTEL_SDK_DISABLED=false"}, true, ""},
		{[]string{endpoint, "OTEL_TRACES_EXPORTER=none"}, false, ""},
		{[]string{endpoint, "OTEL_TRACES_EXPORTER=console"}, false, "use otlp or none"},
		{[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false, "use http/protobuf"},
		{[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}, false, "not a URL"},
		{[]string{endpoint, "OTEL_EXPORTER_OTLP_HEADERS=secret"}, false, "name=value"},
		{[]string{endpoint, "OTEL_EXPORTER_OTLP_HEADERS=a=b, c=d%20e,"}, true, ""},
	} {
		var log bytes.Buffer
		tracing := telemetry.NewTracing(t.Context(), telemetry.Service{}, test.environ, zerolog.New(&log))
		if (tracing != nil) != test.on || !strings.Contains(log.String(), test.logged) || (test.logged == "") != (log.Len() == 0) {
			t.Errorf("%v: on: %t, logged: %s", test.environ, tracing != nil, log.String())
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the log has a secret: %s", log.String())
		}
		if err := tracing.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// setenv sets variables of the process, which the exporter reads, and returns its environment.
func setenv(t *testing.T, variables map[string]string) []string {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
	return os.Environ()
}

// The remaining spans are sent at the end, with the configured headers.
func TestTracing_StopSendsRemainingSpans(t *testing.T) {
	var names []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(unzipped)
		var sent tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &sent) != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "a b" {
			t.Errorf("%s %v: %v", r.URL.Path, r.Header, err)
		}
		for _, span := range sent.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
			names = append(names, span.GetName())
		}
	}))
	defer server.Close()
	tracing := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "test"}, setenv(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=a%20b",
	}), zerolog.Nop())
	_, span := tracing.Start(t.Context(), "work")
	span.End()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if len(names) != 1 || names[0] != "work" {
		t.Errorf("sent are %v", names)
	}
}

// An error of the collector is logged without its response, and is not an error of Stop.
func TestTracing_CollectorError(t *testing.T) {
	var log bytes.Buffer // the SDK has one place for errors: no other test may run now
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such tenant", http.StatusForbidden)
	}))
	defer server.Close()
	tracing := telemetry.NewTracing(t.Context(), telemetry.Service{}, setenv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}), zerolog.New(&log))
	_, span := tracing.Start(t.Context(), "work")
	span.End()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if lines := strings.Count(log.String(), "spans may be lost"); lines != 1 || !strings.Contains(log.String(), "403") {
		t.Errorf("%d lines: %s", lines, log.String())
	}
}

func TestTraceParent(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
	} {
		ctx := telemetry.WithTraceParent(t.Context(), parent)
		if got := telemetry.TraceParent(ctx); got != parent {
			t.Errorf("%s became %s", parent, got)
		}
		var log bytes.Buffer
		logger := telemetry.NewLogger(&log, "info", "json")
		logger.Info().Msg("without")
		logger.Info().Ctx(ctx).Msg("within")
		without, within, _ := strings.Cut(log.String(), "\n")
		if strings.Contains(without, "trace_id") || !strings.Contains(within, `"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"`) {
			t.Errorf("the lines are %s", log.String())
		}
	}
	for _, parent := range []string{"", "none", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"} {
		ctx := telemetry.WithTraceParent(t.Context(), parent)
		if got := telemetry.TraceParent(ctx); got != "" {
			t.Errorf("%q became %q", parent, got)
		}
	}
}
