package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// variables are OpenTelemetry's environment variables. The exporter reads them itself; check
// finds those that it would ignore.
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
type variables map[string]string

func variablesOf(environ []string) variables {
	found := variables{}
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			found[name] = strings.TrimSpace(value)
		}
	}
	return found
}

// exporter returns a variable of the exporter. That of traces overrides that of all signals.
func (v variables) exporter(name string) string {
	if value := v["OTEL_EXPORTER_OTLP_TRACES_"+name]; value != "" {
		return value
	}
	return v["OTEL_EXPORTER_OTLP_"+name]
}

// wantTraces reports whether a collector is named and tracing is not disabled.
func (v variables) wantTraces() bool {
	exporter := v["OTEL_TRACES_EXPORTER"]
	return !strings.EqualFold(v["OTEL_SDK_DISABLED"], "true") && exporter != "none" && (exporter != "" || v.exporter("ENDPOINT") != "")
}

// check returns an error for a value that the exporter would ignore, or log with a secret.
func (v variables) check() error {
	if exporter := v["OTEL_TRACES_EXPORTER"]; exporter != "" && exporter != "otlp" {
		return fmt.Errorf("OTEL_TRACES_EXPORTER is %q: use otlp or none", exporter)
	}
	if protocol := v.exporter("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: use http/protobuf, which collectors accept on port 4318", protocol)
	}
	if endpoint := v.exporter("ENDPOINT"); endpoint != "" {
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL of the form http://host:4318")
		}
	}
	for pair := range strings.SplitSeq(v.exporter("HEADERS"), ",") {
		name, value, found := strings.Cut(pair, "=")
		_, err := url.PathUnescape(value)
		if strings.TrimSpace(pair) != "" && (!found || strings.TrimSpace(name) == "" || err != nil) {
			return errors.New("OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value")
		}
	}
	return nil
}
