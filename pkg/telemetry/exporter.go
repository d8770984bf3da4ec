package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// variables has OpenTelemetry's environment variables (OTEL_…). The exporter reads them from the environment
// itself, and ignores invalid values; check reports them.
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

// exporterVariable returns a variable of the exporter: the one for traces, or else the one for all signals.
func (v variables) exporterVariable(name string) string {
	if value := v["OTEL_EXPORTER_OTLP_TRACES_"+name]; value != "" {
		return value
	}
	return v["OTEL_EXPORTER_OTLP_"+name]
}

// hasTracing reports whether an exporter or its endpoint is set, and tracing is not disabled.
func (v variables) hasTracing() bool {
	exporter := v["OTEL_TRACES_EXPORTER"]
	disabled := exporter == "none" || strings.EqualFold(v["OTEL_SDK_DISABLED"], "true")
	return !disabled && (exporter != "" || v.exporterVariable("ENDPOINT") != "")
}

// check returns an error for a value that the exporter would ignore, or log although it may hold a secret.
func (v variables) check() error {
	if exporter := v["OTEL_TRACES_EXPORTER"]; exporter != "" && exporter != "otlp" {
		return fmt.Errorf("OTEL_TRACES_EXPORTER is %q: use otlp or none", exporter)
	}
	if protocol := v.exporterVariable("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: use http/protobuf, which collectors accept on port 4318", protocol)
	}
	if endpoint := v.exporterVariable("ENDPOINT"); endpoint != "" {
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL of the form http://host:4318")
		}
	}
	for pair := range strings.SplitSeq(v.exporterVariable("HEADERS"), ",") {
		name, value, hasValue := strings.Cut(pair, "=")
		_, err := url.PathUnescape(value)
		isEmpty := strings.TrimSpace(pair) == ""
		if !isEmpty && (!hasValue || strings.TrimSpace(name) == "" || err != nil) {
			return errors.New("OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value")
		}
	}
	return nil
}
