package commands_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/telemetry/telemetrydoc"
)

// tracedRequests counts the requests to external services that have trace headers.
var tracedRequests atomic.Int64

// foreign wraps a service that must not receive trace headers.
func foreign(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			tracedRequests.Add(1)
		}
		w.Header().Set("X-Amzn-RequestId", "request_1") // as AWS does
		service.ServeHTTP(w, r)
	})
}

// collector takes spans as a collector of OpenTelemetry does.
type collector struct {
	*testing.T

	mu    sync.Mutex
	spans []span
	sent  []byte // all that was
}

type span struct {
	*tracepb.Span

	service string
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.Errorf("%s of %s: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, body...)
	for _, resource := range sent.GetResourceSpans() {
		service := attribute(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.GetScopeSpans() {
			for _, made := range scope.GetSpans() {
				c.spans = append(c.spans, span{made, service})
			}
		}
	}
}

func attribute(attributes []*commonpb.KeyValue, key string) string {
	for _, pair := range attributes {
		if pair.GetKey() == key {
			return pair.GetValue().GetStringValue()
		}
	}
	return ""
}

// checkSpans compares the spans of a service and their attributes with docs/telemetry.md.
func (c *collector) checkSpans(service, heading, queue string) {
	c.Helper()
	listed, seen := telemetrydoc.Table(c.T, heading), map[string]bool{}
	for _, made := range c.spans {
		if made.service != service {
			continue
		}
		name := strings.ReplaceAll(made.GetName(), queue, "{queue}")
		if api, _, found := strings.Cut(name, "."); found {
			name = api + ".{operation}"
		}
		if _, ok := listed[name]; !ok {
			name = "{method}"
		}
		for _, pair := range made.GetAttributes() {
			seen[pair.GetKey()] = true
			if pair.GetKey() != "error.type" && !strings.Contains(listed[name], "`"+pair.GetKey()+"`") {
				c.Errorf("docs/telemetry.md lacks the attribute %s of the span %s", pair.GetKey(), made.GetName())
			}
		}
	}
	for name, attributes := range listed {
		for attribute := range strings.SplitSeq(attributes, ", ") {
			if !seen[strings.Trim(attribute, "`")] {
				c.Errorf("no span %s has the attribute %s of docs/telemetry.md", name, attribute)
			}
		}
	}
}

// checkLog compares lines of a log with docs/telemetry.md.
func checkLog(t *testing.T, heading string, lines []map[string]any) {
	t.Helper()
	listed := telemetrydoc.Table(t, heading)
	maps.Copy(listed, telemetrydoc.Table(t, "Log of both"))
	for _, line := range lines {
		fields, ok := listed[line["message"].(string)]
		if !ok {
			t.Errorf("docs/telemetry.md lacks the message of %v", line)
		}
		for field := range line {
			if !strings.Contains("`time` `level` `message` "+fields, "`"+field+"`") {
				t.Errorf("docs/telemetry.md lacks the field %s of %v", field, line)
			}
		}
	}
}

// named returns the spans of a trace with the given name.
func (c *collector) named(trace, name string) []span {
	return slices.DeleteFunc(slices.Clone(c.spans), func(s span) bool {
		return hex.EncodeToString(s.GetTraceId()) != trace || s.GetName() != name
	})
}

func (c *collector) one(trace, name string) span {
	c.Helper()
	found := c.named(trace, name)
	if len(found) != 1 {
		c.Fatalf("trace %s has %d spans %q: %v", trace, len(found), name, c.spans)
	}
	return found[0]
}

// Webhooks go through a real receiver and a real consumer, and each is one trace. The test also compares
// docs/telemetry.md with the logs and spans of both. It is not parallel: the exporter reads the environment
// of the process.
func TestTracing_OneTrace(t *testing.T) {
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_good", "e1", "1250", "EUR")
	d.event("sub_foreign", "e1", "7", "USD")
	good, goodBody := d.renew("sub_good")
	_, foreignBody := d.renew("sub_foreign")
	spans := &collector{T: t}
	server := httptest.NewServer(spans)
	t.Cleanup(server.Close)
	site := httptest.NewServer(foreign(d.chargebee))
	t.Cleanup(site.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL+"/")
	d.environ = append(d.environ, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL+"/", "BILLABLE_CHARGEBEE_BASE_URL="+site.URL)
	tracedRequests.Store(0)

	url, receiverLog, stopReceiver := d.receive()
	const traceID, parentID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	post := func(path, body, parent string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Traceparent", parent)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	post("/webhooks/chargebee", goodBody, "00-"+traceID+"-"+parentID+"-01")
	post("/webhooks/chargebee", foreignBody, "")
	post("/elsewhere", "{}", "")
	if code := stopReceiver(); code != 0 {
		t.Errorf("receiver: exit code %d:\n%s", code, receiverLog.text.String())
	}

	r := d.start()
	for range 2 {
		if entry := r.await(t, "message handled"); entry["invoice_id"] == good && entry["trace_id"] != traceID || entry["span_id"] == nil {
			t.Errorf("the log has no trace: %v", entry)
		}
	}
	if code := r.stop(); code != 0 {
		t.Errorf("consumer: exit code %d:\n%s", code, r.log.text.String())
	}

	request := spans.one(traceID, "POST /webhooks/chargebee")
	created := spans.one(traceID, "create "+d.name)
	sent := spans.one(traceID, "send "+d.name)
	processed := spans.one(traceID, "process "+d.name)
	for _, link := range []struct {
		child  span
		parent string
	}{
		{request, parentID},
		{created, hex.EncodeToString(request.GetSpanId())},
		{sent, hex.EncodeToString(created.GetSpanId())},
		{processed, hex.EncodeToString(created.GetSpanId())},
		{spans.one(traceID, "Chargebee.add_charge"), hex.EncodeToString(processed.GetSpanId())},
		{spans.one(traceID, "Chargebee.close"), hex.EncodeToString(processed.GetSpanId())},
		{spans.named(traceID, "DynamoDB.TransactWriteItems")[0], hex.EncodeToString(processed.GetSpanId())},
	} {
		if got := hex.EncodeToString(link.child.GetParentSpanId()); got != link.parent {
			t.Errorf("the parent of %s is %s, not %s", link.child.GetName(), got, link.parent)
		}
	}
	if links := processed.GetLinks(); len(links) != 1 || string(links[0].GetSpanId()) != string(created.GetSpanId()) {
		t.Errorf("the handling has the links %v", links)
	}
	if attribute(processed.GetAttributes(), "billable.invoice_id") != good || attribute(processed.GetAttributes(), "billable.outcome") != "closed" {
		t.Errorf("the handling says %v", processed.GetAttributes())
	}

	if tracedRequests.Load() != 0 {
		t.Errorf("%d requests tracedRequests a foreign service of a trace", tracedRequests.Load())
	}
	for _, secret := range []string{"site_key", "customer_of_sub_good", "line_items"} {
		if strings.Contains(string(spans.sent), secret) {
			t.Errorf("the spans hold %q", secret)
		}
	}
	spans.checkSpans("billable-receiver", "Spans of the receiver", d.name)
	spans.checkSpans("billable-consumer", "Spans of the consumer", d.name)
	checkLog(t, "Log of the receiver", receiverLog.entries(t))
	checkLog(t, "Log of the consumer", r.log.entries(t))
}

// receive starts a receiver in front of the deployment's queue.
func (d *deployment) receive() (url string, written *log, stop func() int) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	receiving := &running{log: &log{lines: make(chan string, 1000)}}
	environ := append(slices.Clone(d.environ),
		"BILLABLE_HTTP_ADDR=127.0.0.1:0", "BILLABLE_HTTP_SHUTDOWN_DELAY=1s", "BILLABLE_AUTH_DISABLED=true", "BILLABLE_LOG_LEVEL=debug")
	code := make(chan int, 1)
	go func() {
		code <- receiver.Main(ctx, cli.Process{Environ: environ, Stdout: io.Discard, Stderr: receiving.log})
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	d.t.Cleanup(func() { stop() })
	return "http://" + receiving.await(d.t, "receiver started")["http"].(string), receiving.log, stop
}

// entries are the lines that a program wrote, but those of other origin.
func (l *log) entries(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q is no JSON: %v", line, err)
		}
		warning := entry["level"] == "warn" && len(entry) == 3 // of a setting, in its own words
		if entry["component"] == nil && !warning {
			found = append(found, entry)
		}
	}
	return found
}
