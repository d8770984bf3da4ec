package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/bench/machine"
	"github.com/billable-events/billable/scripts/bench/report"
)

type result struct{ Speed int }

func ran(commit string, speed int) report.Run[result] {
	return report.Run[result]{Commit: commit, Machine: machine.Machine{CPU: "fast", Cores: 8}, Results: map[string]result{"main": {speed}}}
}

// TestRecord keeps the first run and the latest ones.
func TestRecord(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bench", "consumer.json")
	kept, err := report.Read[result](file)
	if err != nil || kept.Last().Results != nil || kept.First().Results != nil {
		t.Fatalf("nothing yet: %+v, %v", kept, err)
	}
	for i := range report.MaxRuns + 5 {
		kept = kept.With(ran(fmt.Sprint(i), i))
	}
	if err := kept.Write(file); err != nil {
		t.Fatal(err)
	}
	kept, err = report.Read[result](file)
	if err != nil || len(kept.Runs) != report.MaxRuns || kept.First().Commit != "0" || kept.Runs[1].Commit != "6" || kept.Last().Commit != "24" {
		t.Errorf("%d runs, %v", len(kept.Runs), err)
	}
	if got := kept.Last().Results["main"].Speed; got != 24 {
		t.Errorf("the speed was %d", got)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read[result](file); err == nil {
		t.Error("half a record was read")
	}
}

func TestElsewhere(t *testing.T) {
	t.Parallel()
	now, before := ran("b", 2), ran("a", 1)
	if note := now.Elsewhere(before) + now.Elsewhere(report.Run[result]{}); note != "" {
		t.Errorf("the machine is the same: %q", note)
	}
	now.Machine.Cores = 4
	if note := now.Elsewhere(before); !strings.Contains(note, "fast, 8 cores") {
		t.Errorf("another machine: %q", note)
	}
}

// TestNewRun describes this very machine.
func TestNewRun(t *testing.T) {
	t.Parallel()
	run, err := report.NewRun[result](t.Context())
	if err != nil || run.Results == nil || run.Machine.Cores < 1 || !strings.Contains(run.Circumstances(), run.Machine.Kernel) {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	if got := report.Ratio(3, 2) + report.Ratio(3, 0); got != "1.50–" {
		t.Error(got)
	}
}

// TestSection is for a terminal, for Markdown and for HTML.
func TestSection(t *testing.T) {
	t.Parallel()
	section := report.Section{
		Title: "Speed & more", Text: "In <b>pairs</b>.", Header: []string{"name", "n"}, Left: 1,
		Rows:     [][]string{{strings.Repeat("long ", 30), "1"}, {"<i>", "22"}},
		Pictures: []report.Picture{{File: "a/b.svg", Text: `it "grows"`}},
	}
	var terminal strings.Builder
	if err := section.Print(&terminal); err != nil || !strings.Contains(terminal.String(), "Speed & more\nIn") {
		t.Errorf("%v: %s", err, terminal.String())
	}
	for line := range strings.Lines(terminal.String()) {
		if len([]rune(line)) > 80 {
			t.Errorf("a line is too wide: %s", line)
		}
	}
	for _, want := range []string{"## Speed & more", "| <i> | 22 |", `![it "grows"](a/b.svg)`} {
		if got := section.Markdown(); !strings.Contains(got, want) {
			t.Errorf("Markdown lacks %q: %s", want, got)
		}
	}
	for _, want := range []string{"<h2>Speed &amp; more</h2>", "&lt;b&gt;pairs", "&lt;i&gt;", `src="a/b.svg" alt="it &#34;grows&#34;"`} {
		if got := section.HTML(); !strings.Contains(got, want) {
			t.Errorf("HTML lacks %q: %s", want, got)
		}
	}
}
