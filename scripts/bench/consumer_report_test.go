package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// billed returns a result with the given CPU time per invoice.
func billed(each time.Duration) ConsumerResult {
	return ConsumerResult{
		Invoices: 100, Events: 5000, Lines: 300, Took: 2 * time.Second, CPU: 100 * each, FakesCPU: time.Second, PeakMemory: 40 << 20,
		Calls: map[string]int{"Chargebee add_charge": 300, "Chargebee close": 100, "Chargebee GET": 100, "DynamoDB PutItem": 500, "SQS ReceiveMessage": 10},
	}
}

func consumerRunOf(commit string, each time.Duration) benchRun[ConsumerResult] {
	results := map[string]ConsumerResult{mainName: billed(each)}
	for _, comparison := range comparisons() {
		for _, s := range comparison.scenarios {
			results[s.Name] = billed(each)
		}
	}
	return benchRun[ConsumerResult]{Date: "2026-01-02T03:04:05Z", Commit: commit, Machine: machine{CPU: "fast", Cores: 8}, Results: results}
}

// TestConsumerReport compares a run with the one before and with the first.
func TestConsumerReport(t *testing.T) {
	t.Parallel()
	m := consumerReport{
		run: consumerRunOf("third", 2*time.Millisecond), before: consumerRunOf("second", 4*time.Millisecond), baseline: consumerRunOf("first", 8*time.Millisecond),
		mainRuns: []ConsumerResult{billed(time.Millisecond), billed(2 * time.Millisecond)}, comparisons: comparisons(),
	}
	sections, err := m.sections()
	if err != nil {
		t.Fatal(err)
	}
	sections = append(sections, consumerHistory(record[ConsumerResult]{Runs: []benchRun[ConsumerResult]{m.baseline, m.before, m.run}}))
	page := string(m.page(sections))
	for _, want := range []string{
		"| invoices per second | 50.0 | 50.0 | 1.00 | 50.0 | 1.00 |",
		"| CPU per invoice, ms (goal: 2) | 2.00 | 4.00 | 0.50 | 8.00 | 0.25 |",
		"the median of 2 runs (CPU per invoice: 1.00, 2.00 ms)",
		"| Chargebee | add_charge | 3.00 | One for each line",
		"| 10000 | 100 | 50.0 | 2500 | 2.00 | 40.0 | 10.00 | 40 | 5.00 | 5.00 | 0.10 | 1.00 | 0.50 |",
		"| 2026-01-02T03:04:05Z | third | fast, 8 cores | 0.0 | 50.0 | 1.00 | 2.00 | 0.25 | 5.00 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "another machine") {
		t.Error("the machine is the same")
	}
	m.run.Machine.Cores = 4
	if note := m.run.warning(m.before); !strings.Contains(note, "fast, 8 cores") {
		t.Errorf("another machine: %q", note)
	}
	var terminal bytes.Buffer
	if err := printSections(&terminal, sections); err != nil || !strings.Contains(terminal.String(), "Events per invoice") {
		t.Errorf("%v: %s", err, terminal.String())
	}
}

// TestConsumerReport_FirstRun has no earlier run.
func TestConsumerReport_FirstRun(t *testing.T) {
	t.Parallel()
	m := consumerReport{run: consumerRunOf("first", time.Millisecond), mainRuns: []ConsumerResult{billed(time.Millisecond)}, comparisons: comparisons()}
	sections, err := m.sections()
	if err != nil {
		t.Fatal(err)
	}
	if page := string(m.page(sections)); !strings.Contains(page, "| invoices per second | 50.0 | – | – | – | – |") || strings.Contains(page, "another machine") {
		t.Errorf("got %s", page)
	}
}

func TestCallRows_UnexpectedCall(t *testing.T) {
	t.Parallel()
	r := billed(time.Millisecond)
	rows, err := callRows(r)
	if err != nil || len(rows) != len(expectedCalls) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	r.Calls["DynamoDB Scan"] = 1
	if _, err := callRows(r); err == nil || !strings.Contains(err.Error(), "DynamoDB Scan") {
		t.Errorf("a scan: %v", err)
	}
}

func TestConsumerScenario_CheckCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines int
		call  string
		want  string
	}{
		"as it should be":     {3, "", ""},
		"a line twice":        {3, "Chargebee add_charge", "300 lines were added with 301 calls"},
		"an invoice twice":    {3, "Chargebee close", "100 invoices closed with 101"},
		"a read too many":     {3, "Chargebee GET", "101 further calls to Chargebee, want 100"},
		"reads of many lines": {100, "Chargebee GET", ""},
	} {
		r := billed(time.Millisecond)
		if test.call != "" {
			r.Calls[test.call]++
		}
		err := ConsumerScenario{Invoices: 100, Lines: test.lines}.checkCalls(r)
		if got := fmt.Sprint(err); (err != nil) != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
