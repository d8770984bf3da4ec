package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/bench/machine"
	"github.com/billable-events/billable/scripts/bench/report"
)

// billed is a result with the given CPU time per invoice.
func billed(each time.Duration) result {
	return result{
		Invoices: 100, Events: 5000, Lines: 300, Took: 2 * time.Second, CPU: 100 * each, StandInCPU: time.Second, PeakMemory: 40 << 20,
		Calls: map[string]int{"Chargebee add_charge": 300, "Chargebee close": 100, "Chargebee GET": 100, "DynamoDB PutItem": 500, "SQS ReceiveMessage": 10},
	}
}

func ran(commit string, each time.Duration) report.Run[result] {
	results := map[string]result{mainName: billed(each)}
	for _, question := range questions() {
		for _, row := range question.rows {
			results[row.scenario.Name] = billed(each)
		}
	}
	return report.Run[result]{Date: "2026-01-02T03:04:05Z", Commit: commit, Machine: machine.Machine{CPU: "fast", Cores: 8}, Results: results}
}

// TestReport compares a run with the one before and with the first.
func TestReport(t *testing.T) {
	t.Parallel()
	m := measured{
		run: ran("third", 2*time.Millisecond), before: ran("second", 4*time.Millisecond), baseline: ran("first", 8*time.Millisecond),
		runs: []result{billed(time.Millisecond), billed(2 * time.Millisecond)}, questions: questions(),
	}
	sections, err := m.sections()
	if err != nil {
		t.Fatal(err)
	}
	sections = append(sections, history(report.Record[result]{Runs: []report.Run[result]{m.baseline, m.before, m.run}}))
	page := m.page(sections)
	for _, want := range []string{
		"| invoices per second | 50.0 | 50.0 | 1.00 | 50.0 | 1.00 |",
		"| CPU per invoice, ms (aim: 2) | 2.00 | 4.00 | 0.50 | 8.00 | 0.25 |",
		"the median of 2 runs (CPU per invoice: 1.00, 2.00 ms)",
		"| Chargebee | add_charge | 3.00 | One for each line",
		"| 10000 | 100 | 50.0 | 2500 | 2.00 | 40.0 | 10.00 | 40 | 5.00 | 5.00 | 0.10 | 1.00 | 0.50 |",
		"| 2026-01-02T03:04:05Z | third | fast, 8 cores | 0.0 | 50.0 | 1.00 | 2.00 | 0.25 | 5.00 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "elsewhere") {
		t.Error("the machine is the same")
	}
	m.run.Machine.Cores = 4
	if note := m.run.Elsewhere(m.before); !strings.Contains(note, "fast, 8 cores") {
		t.Errorf("another machine: %q", note)
	}
	var terminal bytes.Buffer
	if err := m.print(&terminal, sections); err != nil || !strings.Contains(terminal.String(), "Events per invoice") {
		t.Errorf("%v: %s", err, terminal.String())
	}
}

// TestFirstReport has nothing to compare with.
func TestFirstReport(t *testing.T) {
	t.Parallel()
	m := measured{run: ran("first", time.Millisecond), runs: []result{billed(time.Millisecond)}, questions: questions()}
	sections, err := m.sections()
	if err != nil {
		t.Fatal(err)
	}
	if page := m.page(sections); !strings.Contains(page, "| invoices per second | 50.0 | – | – | – | – |") || strings.Contains(page, "elsewhere") {
		t.Errorf("got %s", page)
	}
}

func TestEveryCallIsJustified(t *testing.T) {
	t.Parallel()
	r := billed(time.Millisecond)
	rows, err := callRows(r)
	if err != nil || len(rows) != len(justifications) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	r.Calls["DynamoDB Scan"] = 1
	if _, err := callRows(r); err == nil || !strings.Contains(err.Error(), "DynamoDB Scan") {
		t.Errorf("a scan: %v", err)
	}
}

func TestCheckCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines int
		call  string
		want  string
	}{
		"as it should be":     {3, "", ""},
		"a line twice":        {3, "Chargebee add_charge", "300 lines were added with 301 calls"},
		"an invoice twice":    {3, "Chargebee close", "100 invoices closed with 101"},
		"a read too many":     {3, "Chargebee GET", "101 calls to Chargebee besides those for lines and closes, want 100"},
		"reads of many lines": {100, "Chargebee GET", ""},
	} {
		r := billed(time.Millisecond)
		if test.call != "" {
			r.Calls[test.call]++
		}
		err := scenario{Invoices: 100, Lines: test.lines}.checkCalls(r)
		if got := fmt.Sprint(err); (err != nil) != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := median([]result{billed(9), billed(1), billed(5)}); got.CPU != 500 {
		t.Errorf("got %s", got.CPU)
	}
}
