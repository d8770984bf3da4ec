package receiver_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
)

var (
	sample = regexp.MustCompile(`^billable_([a-z_]+)(?:\{(.*)\})? [0-9.e+-]+$`)
	label  = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	bound  = regexp.MustCompile(`^([0-9.e+-]+|\+Inf)$`)
)

// TestMetrics checks what dashboards rely on: names, labels, and that no value of a client becomes
// a label.
func TestMetrics(t *testing.T) {
	t.Parallel()
	histogram := map[string][]string{"le": nil}
	want := map[string]map[string][]string{
		"webhook_requests_total": {
			"code":       {"200", "400", "401", "404", "405", "413", "415", "499", "500", "503"},
			"event_type": {"none", "other", "pending_invoice_created"},
		},
		"webhook_in_flight":                       {},
		"webhook_shed_total":                      {},
		"webhook_connections_evicted_total":       {},
		"webhook_request_duration_seconds_bucket": histogram,
		"webhook_body_bytes_bucket":               histogram,
		"enqueue_batch_entries_bucket":            histogram,
		"enqueue_duration_seconds_bucket":         histogram,
		"enqueue_wait_duration_seconds_bucket":    histogram,
		"enqueue_failures_total":                  {"class": {"refused", "denied", "throttled", "timeout", "unavailable"}},
		"credentials_reload_failures_total":       {},
		"build_info":                              {"version": {cli.Version()}},
	}

	s := start(t)
	for _, body := range []string{pendingInvoice(t, 1), `{"event_type":"of \"anything\" {at=\"all\"}"}`, "{", `{"event_type":"\u0000"}`} {
		s.post(body)
	}
	for _, method := range []string{http.MethodGet, "BREW"} {
		request := webhookRequest(t, s.url, "")
		request.Method, request.URL.Path = method, "/any/path"
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	status, text := s.get(s.admin + "/metrics")
	if status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}

	if !strings.Contains(text, `billable_webhook_requests_total{code="415",event_type="none"} 0`) {
		t.Error("the first refused webhook would be no increase of its series")
	}

	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "billable_") {
			continue
		}
		parts := sample.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil {
			t.Errorf("%q is not a sample", line)
			continue
		}
		name, labels := parts[1], label.FindAllStringSubmatch(parts[2], -1)
		if base, isPart := strings.CutSuffix(name, "_sum"); isPart && want[base+"_bucket"] != nil {
			continue
		}
		if base, isPart := strings.CutSuffix(name, "_count"); isPart && want[base+"_bucket"] != nil {
			continue
		}
		allowed, known := want[name]
		if !known || len(labels) != len(allowed) {
			t.Errorf("%s with %d labels is not among what is promised", name, len(labels))
		}
		seen[name] = true
		for _, pair := range labels {
			values, known := allowed[pair[1]]
			if !known || !slices.Contains(values, pair[2]) && (pair[1] != "le" || !bound.MatchString(pair[2])) {
				t.Errorf("%s has the label %s=%q", name, pair[1], pair[2])
			}
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	for _, line := range []string{
		`billable_webhook_requests_total{code="200",event_type="pending_invoice_created"} 1`,
		`billable_webhook_requests_total{code="200",event_type="other"} 2`,
		`billable_webhook_requests_total{code="400",event_type="none"} 1`,
		`billable_webhook_requests_total{code="404",event_type="none"} 2`,
		`billable_webhook_body_bytes_count 4`,
		`billable_webhook_request_duration_seconds_count 6`,
		`billable_enqueue_batch_entries_sum 1`,
		`billable_webhook_in_flight 0`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("line %s is missing", line)
		}
	}
}
