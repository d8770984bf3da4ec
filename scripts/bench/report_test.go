package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type testResult struct{ Speed int }

func testRun(commit string, speed int) benchRun[testResult] {
	return benchRun[testResult]{Commit: commit, Machine: machine{CPU: "fast", Cores: 8}, Results: map[string]testResult{"main": {speed}}}
}

// TestRecord keeps the first run and the latest ones.
func TestRecord(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bench", "consumer.json")
	kept, err := readRecord[testResult](file)
	if before, baseline := kept.compareWith(); err != nil || before.Results != nil || baseline.Results != nil {
		t.Fatalf("an empty record: %+v, %v", kept, err)
	}
	for i := range maxRuns + 5 {
		kept = kept.with(testRun(fmt.Sprint(i), i))
	}
	if err := kept.write(file); err != nil {
		t.Fatal(err)
	}
	kept, err = readRecord[testResult](file)
	before, baseline := kept.compareWith()
	if err != nil || len(kept.Runs) != maxRuns || baseline.Commit != "0" || kept.Runs[1].Commit != "6" || before.Commit != "24" {
		t.Errorf("%d runs, %v", len(kept.Runs), err)
	}
	if got := before.Results["main"].Speed; got != 24 {
		t.Errorf("the speed was %d", got)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRecord[testResult](file); err == nil {
		t.Error("half a record was read")
	}
}

func TestBenchRun_Warning(t *testing.T) {
	t.Parallel()
	now, before := testRun("b", 2), testRun("a", 1)
	if note := now.warning(before) + now.warning(benchRun[testResult]{}); note != "" {
		t.Errorf("the machine is the same: %q", note)
	}
	now.Machine.Cores = 4
	if note := now.warning(before); !strings.Contains(note, "fast, 8 cores") {
		t.Errorf("another machine: %q", note)
	}
}

// TestNewRun describes this very machine.
func TestNewRun(t *testing.T) {
	t.Parallel()
	run, err := newRun[testResult](t.Context())
	if err != nil || run.Results == nil || run.Machine.Cores < 1 || !strings.Contains(run.describe(), run.Machine.Kernel) {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	if got := ratio(3, 2) + ratio(3, 0); got != "1.50–" {
		t.Error(got)
	}
}

// TestSection is written for a terminal and as Markdown.
func TestSection(t *testing.T) {
	t.Parallel()
	s := section{
		title: "Speed & more", text: "In <b>pairs</b>.", header: []string{"name", "n"}, left: 1,
		rows:     [][]string{{strings.Repeat("long ", 30), "1"}, {"<i>", "22"}},
		pictures: []string{"receiver/sustain.svg"},
	}
	var terminal strings.Builder
	if err := printSections(&terminal, []section{s}); err != nil || !strings.Contains(terminal.String(), "Speed & more\nIn") {
		t.Errorf("%v: %s", err, terminal.String())
	}
	for line := range strings.Lines(terminal.String()) {
		if len([]rune(line)) > 80 {
			t.Errorf("a line is too wide: %s", line)
		}
	}
	for _, want := range []string{"## Speed & more", "| <i> | 22 |", `![Latencies in each second of sustain](receiver/sustain.svg)`} {
		if got := string(markdown([]section{s})); !strings.Contains(got, want) {
			t.Errorf("Markdown lacks %q: %s", want, got)
		}
	}
}
