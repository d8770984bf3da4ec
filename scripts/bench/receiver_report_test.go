package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// receiverRunOf returns a run in which latency and CPU of each request are the given time.
func receiverRunOf(commit string, each time.Duration) benchRun[ReceiverResult] {
	m := receiverReport{durations: fullDurations}
	run := benchRun[ReceiverResult]{Date: "2026-01-02T03:04:05Z", Commit: commit, Machine: machine{CPU: "fast & small", Cores: 8}, Results: map[string]ReceiverResult{}}
	for _, name := range m.names() {
		run.Results[name] = ReceiverResult{
			Requests: 1000, OK: 1000, Took: 5 * time.Second, Latencies: Latencies{P50: each, P95: 2 * each, P99: 3 * each, Max: 4 * each},
			CPU: 1000 * each, Delivery: Delivery{Messages: 1000}, Calls: 250, Probes: Probes{Polls: 5}, PeakMemory: 30 << 20, Target: "something", Met: true,
		}
	}
	limit := run.Results["quarter_cpu_limit"]
	limit.Rate = 1790
	run.Results["quarter_cpu_limit"] = limit
	skipped := ReceiverResult{Skipped: "no <cgroup>", Target: "something"}
	run.Results["quarter_cpu_burst"] = skipped
	return run
}

// TestReceiverReport_Write writes the page and its pictures.
func TestReceiverReport_Write(t *testing.T) {
	t.Parallel()
	m := receiverReport{
		durations: fullDurations, run: receiverRunOf("third", time.Millisecond), before: receiverRunOf("second", 2*time.Millisecond), baseline: receiverRunOf("first", 4*time.Millisecond),
		answers: map[string][]Answer{sustainName: {at(0, 20, 200), at(1500, 25, 200)}, outageName: {at(0, 20, 200), at(1000, 5000, 503)}},
	}
	directory := t.TempDir()
	if err := m.write(directory, record[ReceiverResult]{Runs: []benchRun[ReceiverResult]{m.baseline, m.before, m.run}}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	page := read("receiver.md")
	for _, want := range []string{
		"2026-01-02T03:04:05Z, commit third. fast & small, 8 cores",
		"| sustain | 200/s for 4m0s | 100 % 200, p99 ≤ 50ms | met | 1000 | 100.00 % | 1.0 | 2.0 | 3.0 | 4.0 | 0 of 5 |",
		"1790/s: met",
		"| quarter_cpu_burst | 500/s for 5s | 100 % 200, p99 ≤ 100ms | skipped: no <cgroup> |",
		"| sustain | 1000 | 0.20 | 0.00 | 0.00 | 4.0 | 30 |",
		"full speed after 0.0 s, 30 MB: met",
		"| the full receiver | 200 | 100.00 % | 1000.0 | 1.00 |",
		"≤ 2.5, goal 2.0: met",
		"| sustain | 3.0 | 6.0 | 0.50 | 12.0 | 0.25 | 1000.0 | 2000.0 | 0.50 | 4000.0 | 0.25 |",
		"| 2026-01-02T03:04:05Z | first | fast & small, 8 cores | 0.0 | 12.0 | 4000 | 0 | 1790 | 1.00 | 1.00 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	drawn, err := filepath.Glob(filepath.Join(directory, "receiver", "*.svg"))
	if err != nil || len(drawn) != 5 {
		t.Fatalf("%q, %v", drawn, err)
	}
	for _, picture := range drawn {
		name := "receiver/" + filepath.Base(picture)
		if !strings.Contains(page, "]("+name+")") {
			t.Errorf("the page does not show %s", name)
		}
		wellFormed(t, name, read(name))
	}
}

func wellFormed(t *testing.T, name, content string) {
	t.Helper()
	elements := 0
	for tokens := xml.NewDecoder(strings.NewReader(content)); ; {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
	if elements < 20 {
		t.Errorf("%s shows %d elements", name, elements)
	}
}

// TestReceiverReport_MissedTargets also covers a limit that was not found, and no recovery.
func TestReceiverReport_MissedTargets(t *testing.T) {
	t.Parallel()
	m := receiverReport{durations: fullDurations, run: receiverRunOf("only", time.Millisecond)}
	m.run.Results["limit"] = ReceiverResult{}
	m.run.Results[outageName] = ReceiverResult{Target: "x", Recovered: -1}
	m.run.Results["burst"] = ReceiverResult{Target: "x", Requests: 10, OK: 9, Wrong: "one was lost"}
	full := m.run.Results[baselineName("saturated", fullReceiver)]
	full.CPU *= 3
	m.run.Results[baselineName("saturated", fullReceiver)] = full
	var terminal strings.Builder
	if err := printSections(&terminal, m.sections()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"none held", "no recovery: missed", "WRONG: one was lost", "≤ 2.5, goal 2.0: missed", "≤ 1.8, goal 1.5: met", "90.00 %"} {
		if !strings.Contains(terminal.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, terminal.String())
		}
	}
}

// TestReceiverReport_Names checks the names by which results are recorded and compared.
func TestReceiverReport_Names(t *testing.T) {
	t.Parallel()
	full, quick := receiverReport{durations: fullDurations}.names(), receiverReport{durations: quickDurations}.names()
	if strings.Join(full, "|") != strings.Join(quick, "|") {
		t.Errorf("%q are not %q", full, quick)
	}
	known := map[string]bool{}
	for _, name := range full {
		if known[name] {
			t.Errorf("two scenarios have the name %q", name)
		}
		known[name] = true
	}
	if !known[sustainName] || !known[outageName] || !known["limit"] || !known["quarter_cpu_limit"] {
		t.Errorf("%q", full)
	}
}
