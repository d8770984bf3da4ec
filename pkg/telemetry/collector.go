package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	defaultCollector = "http://localhost:4318"
	tracesPath       = "/v1/traces"
	defaultTimeout   = 10 * time.Second // of one attempt
	firstWait        = time.Second      // before the second attempt; it doubles
)

// collector is an otlptrace.Client: it posts spans as protobuf. OpenTelemetry's own,
// otlptracehttp, links gRPC and a gateway for it, 12 MB that no line of it calls.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
type collector struct {
	url     string
	headers http.Header
	timeout time.Duration // of one attempt
	zip     bool
	client  *http.Client
}

// variables are those of the environment that OpenTelemetry specifies, by name.
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

// exporter returns a variable of the exporter: that for traces goes before that for all.
func (v variables) exporter(name string) string {
	if value := v["OTEL_EXPORTER_OTLP_TRACES_"+name]; value != "" {
		return value
	}
	return v["OTEL_EXPORTER_OTLP_"+name]
}

// wantTraces tells whether a collector is named, and nobody says that it be left alone.
func (v variables) wantTraces() bool {
	exporter := v["OTEL_TRACES_EXPORTER"]
	return !strings.EqualFold(v["OTEL_SDK_DISABLED"], "true") && exporter != "none" && (exporter != "" || v.exporter("ENDPOINT") != "")
}

// collector returns the way to the collector. Errors name the variable; they show no value
// that may be a secret.
func (v variables) collector() (*collector, error) {
	if exporter := v["OTEL_TRACES_EXPORTER"]; exporter != "" && exporter != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: use otlp or none", exporter)
	}
	if protocol := v.exporter("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: use http/protobuf, which collectors take at port 4318", protocol)
	}
	address, err := v.address()
	if err != nil {
		return nil, err
	}
	headers, err := v.headers()
	if err != nil {
		return nil, err
	}
	timeout := defaultTimeout
	if text := v.exporter("TIMEOUT"); text != "" {
		milliseconds, err := strconv.Atoi(text)
		if err != nil || milliseconds <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q: use milliseconds", text)
		}
		timeout = time.Duration(milliseconds) * time.Millisecond
	}
	compression := v.exporter("COMPRESSION")
	if !slices.Contains([]string{"", "none", "gzip"}, compression) {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION is %q: use gzip or none", compression)
	}
	security, err := v.security()
	if err != nil {
		return nil, err
	}
	return &collector{
		url:     address,
		headers: headers,
		timeout: timeout,
		zip:     compression == "gzip",
		client: &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     security,
			TLSHandshakeTimeout: defaultTimeout,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		}},
	}, nil
}

func (v variables) address() (string, error) {
	address := v["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
	if address == "" { // the other names a collector of all signals
		address = v["OTEL_EXPORTER_OTLP_ENDPOINT"]
		if address == "" {
			address = defaultCollector
		}
		address = strings.TrimRight(address, "/") + tracesPath
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return "", errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is no URL of the form http://host:4318")
	}
	return address, nil
}

func (v variables) headers() (http.Header, error) {
	headers := http.Header{"Content-Type": {"application/x-protobuf"}}
	for pair := range strings.SplitSeq(v.exporter("HEADERS"), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value")
		}
		headers.Set(name, value)
	}
	return headers, nil
}

func (v variables) security() (*tls.Config, error) {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := v.exporter("CERTIFICATE"); file != "" {
		certificates, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(certificates) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s holds no certificate", file)
		}
	}
	if file := v.exporter("CLIENT_CERTIFICATE"); file != "" {
		own, err := tls.LoadX509KeyPair(file, v.exporter("CLIENT_KEY"))
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", err)
		}
		security.Certificates = []tls.Certificate{own}
	}
	return security, nil
}

// Start implements otlptrace.Client.
func (c *collector) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. What fails for a passing reason is repeated
// until ctx ends; the SDK gives it 30 s.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire this is the ExportTraceServiceRequest, whose package links gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if c.zip {
		body = zipped(body)
	}
	for wait := firstWait; ; wait *= 2 {
		answer, err := c.post(ctx, body)
		if err == nil || !answer.passes() {
			return err
		}
		wait = max(wait, answer.wait)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// refusal is what the collector said instead of taking spans.
type refusal struct {
	status int           // 0 without an answer
	wait   time.Duration // that it asks for
}

func (r refusal) passes() bool {
	switch r.status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

func (c *collector) post(ctx context.Context, body []byte) (refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return refusal{}, err
	}
	request.Header = c.headers.Clone()
	if c.zip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return refusal{}, err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, keptAnswer) // so that the connection is kept
	if response.StatusCode < http.StatusMultipleChoices {
		return refusal{}, nil
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return refusal{response.StatusCode, time.Duration(seconds) * time.Second}, fmt.Errorf("the collector answers %s", response.Status)
}

// keptAnswer is how much of an answer is read before its connection is given up.
const keptAnswer = 64 << 10

func zipped(body []byte) []byte {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	_, _ = writer.Write(body) // a buffer takes everything
	_ = writer.Close()
	return buffer.Bytes()
}
