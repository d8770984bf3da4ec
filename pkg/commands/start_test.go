package commands_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// other returns the deployment for a process with other settings.
func (d *deployment) other(settings ...string) *deployment {
	other := *d
	other.environ = slices.Clone(d.environ)
	for _, setting := range settings {
		other.environ = append(other.environ, "BILLABLE_"+setting)
	}
	return &other
}

// refusedStart runs a consumer that must not start, and returns its error.
func (d *deployment) refusedStart() string {
	d.t.Helper()
	var stderr strings.Builder
	code := commands.Main(d.t.Context(), cli.Process{Args: []string{"run"}, Environ: d.environ, Stdout: io.Discard, Stderr: &stderr})
	if code != 2 {
		d.t.Errorf("exit code %d: %s", code, &stderr)
	}
	return stderr.String()
}

// lines returns the lines of the log with a message.
func (r *running) lines(message string) (found []map[string]any) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	for line := range strings.Lines(r.log.text.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["message"] == message {
			found = append(found, entry)
		}
	}
	return found
}

const failedDependency = "dependency failed; consumer is not ready"

// Each case has one dependency that fails: the consumer is not ready, logs one error with the remedy, and receives
// nothing.
func TestRun_NotReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings   []string
		dependency string // the first that fails
		remedy     string
	}{
		"no queue":        {[]string{"QUEUE_URL=http://sandbox.local/000000000000/nowhere"}, "queue", "queue.url"},
		"no events table": {[]string{"EVENTS_TABLE=nowhere"}, "events table", "events.table (nowhere)"},
		"no ledger table": {[]string{"LEDGER_TABLE=nowhere"}, "ledger table", "ledger.table (nowhere)"},
		"swapped tables":  {[]string{"EVENTS_TABLE=NAME_ledger", "LEDGER_TABLE=NAME_events"}, "events table", "events.table"},
		"wrong API key":   {[]string{"CHARGEBEE_API_KEY=another"}, "Chargebee", "chargebee.api_key"},
		"no Chargebee":    {[]string{"CHARGEBEE_BASE_URL=http://127.0.0.1:1"}, "Chargebee", "chargebee.site"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t)
			d.must("tables", "create")
			for i := range test.settings {
				test.settings[i] = strings.ReplaceAll(test.settings[i], "NAME", d.name)
			}
			d.send("a message")
			r := d.other(test.settings...).start()
			failures := r.lines(failedDependency)
			if len(failures) == 0 || failures[0]["dependency"] != test.dependency || failures[0]["level"] != "error" ||
				!strings.Contains(fmt.Sprint(failures[0]["remedy"]), test.remedy) || fmt.Sprint(failures[0]["error"]) == "" {
				t.Errorf("got %v", failures)
			}
			if status, body := r.get(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, test.dependency) {
				t.Errorf("/readyz: %d %s", status, body)
			}
			if status, _ := r.get(t, "/livez"); status != http.StatusOK {
				t.Errorf("/livez: %d", status)
			}
			checkLog(t, "Log of the consumer", slices.Concat(failures, r.lines("consumer started")))
			if code := r.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// Without a ledger table nothing is received. The consumer works as soon as there is one, and logs each change once.
func TestRun_TableCreatedLater(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.send("no JSON")
	r := d.start()
	if got := queues.Messages(d.name); len(got) != 1 || got[0].ReceiveCount != 0 {
		t.Errorf("messages: %+v", got)
	}
	d.must("tables", "create")
	if entry := r.await(t, "message handled"); entry["reason"] != "unreadable_message" {
		t.Errorf("got %v", entry)
	}
	d.eventually(func() bool {
		status, _ := r.get(t, "/readyz")
		return status == http.StatusOK
	}, "it is ready")
	for _, message := range []string{failedDependency, "dependency works again"} {
		names := map[any]int{}
		for _, line := range r.lines(message) {
			names[line["dependency"]]++
		}
		if len(names) != 3 || names["events table"] != 1 || names["ledger table"] != 1 || names["rate limit"] != 1 {
			t.Errorf("%s: %v", message, names)
		}
	}
}

func TestRun_StartLine(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	r := d.start()
	got := r.lines("consumer started")
	if len(got) != 1 {
		t.Fatalf("got %v", got)
	}
	for field, want := range map[string]any{
		"level": "info", "version": cli.Version(), "site": "localhost", "queue": d.queueURL,
		"events_table": d.name + "_events", "ledger_table": d.name + "_ledger",
		"requests_per_minute": 3500.0, "max_concurrent": 50.0, "concurrency": 10.0, "max_amount": 1e6,
	} {
		if got[0][field] != want {
			t.Errorf("%s is %v, want %v", field, got[0][field], want)
		}
	}
}

// A ledger belongs to the site of its first consumer, until its binding is deleted.
func TestRun_OtherSite(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	if code := d.start().stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	other := d.other("CHARGEBEE_BASE_URL=https://acme.invalid")
	want := "chargebee.site: the ledger " + d.name + "_ledger belongs to the site localhost, not to acme.invalid"
	if got := other.refusedStart(); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	for _, command := range []string{"invoice plan draft", "invoice release draft", "sweep"} {
		if code, _, stderr := other.command(strings.Fields(command)...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", command, code, stderr)
		}
	}
	if code, found, _ := other.check(); code != 1 || !slices.ContainsFunc(found.Findings, func(f finding) bool { return f.Name == "site_differs" && f.Level == "error" }) {
		t.Errorf("check: exit code %d, %+v", code, found)
	}

	again := httptest.NewServer(chargebee.New(chargebee.Config{APIKey: "site_key"})) // a fake with another port is the same site
	t.Cleanup(again.Close)
	if code := d.other("CHARGEBEE_BASE_URL=" + again.URL).start().stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Other settings are shown by check, the metric and the log; lower bounds do not start while the others run.
func TestRun_SettingsDiffer(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	first := d.start()
	if _, _, wrong := d.check(); len(wrong) > 0 {
		t.Errorf("equal settings: %q", wrong)
	}
	lower := d.other("CHARGEBEE_MAX_EFFECT_DELAY=4m")
	if got := lower.refusedStart(); !strings.Contains(got, "chargebee.max_effect_delay: 4m0s is below 5m0s of the running consumer") {
		t.Errorf("got %s", got)
	}
	if code, _, wrong := lower.check(); code != 1 || !slices.Contains(wrong, "error ledger bound_lower") {
		t.Errorf("check with a lower bound: exit code %d, %q", code, wrong)
	}

	higher := d.other("CHARGEBEE_MAX_EFFECT_DELAY=6m", "INVOICE_CLOSE=false", "WORKER_DRAIN_TIMEOUT=31s")
	second := higher.start() // as in a rollout
	if _, metrics := second.get(t, "/metrics"); !strings.Contains(metrics, "billable_settings_differences 2") {
		t.Error("the metric does not count the differences")
	}
	lines := second.lines("settings of consumers differ")
	if len(lines) != 1 || lines[0]["level"] != "warn" || !strings.Contains(fmt.Sprint(lines[0]["differences"]), "invoice.close is false here, and true in") {
		t.Errorf("got %v", lines)
	}
	checkLog(t, "Log of the consumer", lines)
	if _, _, wrong := higher.check(); !slices.Equal(wrong, []string{"warning consumers settings_differ", "warning consumers settings_differ"}) {
		t.Errorf("check: %q", wrong)
	}
	if code := second.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := first.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := lower.start().stop(); code != 0 { // after all others have ended
		t.Errorf("exit code %d", code)
	}
}
