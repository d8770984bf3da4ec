package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func testReport(t *testing.T) (*report, *section) {
	t.Helper()
	s := &section{title: "Scenarios", labels: []string{"scenario", "result"}, columns: []column{{"p99, ms", "%.1f"}, {"peak, MB", "%.0f"}}}
	r := &report{
		name: "test", title: "Title", target: "bench", sections: []*section{s}, progress: t.Output(),
		history: []historyColumn{{"burst p99, ms", "burst", "p99, ms", "%.1f"}},
		run:     benchRun{Date: "2026-01-02T03:04:05Z", Commit: "abc", Machine: machine{CPU: "fast", Cores: 8}, Results: map[string]figures{}},
	}
	return r, s
}

// TestReport_Finish records a complete run after the earlier ones.
func TestReport_Finish(t *testing.T) {
	t.Parallel()
	o := options{reports: t.TempDir(), out: t.Output()}
	for _, p99 := range []float64{20, 40} {
		r, s := testReport(t)
		r.add(s, "burst", []string{"burst", "met"}, figures{"p99, ms": p99, "peak, MB": 50})
		r.add(s, "limit", []string{"limit", "skipped"}, nil)
		if err := r.finish(o, true); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(o.reports, "test.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Title\n\nMeasured by `make bench`",
		"| burst | met | 40.0 | 50 |\n| limit | skipped | – | – |",
		"| fast, 8 cores | 0.0 | 20.0 |\n",
		"| fast, 8 cores | 0.0 | 40.0 |\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// TestReport_AddEvaluated records no run with a failure.
func TestReport_AddEvaluated(t *testing.T) {
	t.Parallel()
	isMet := func(f figures) bool { return f["p99, ms"] < 10 }
	for _, test := range []struct {
		p99    float64
		err    error
		met    func(figures) bool
		want   string
		failed bool
	}{
		{5, nil, isMet, "met", false},
		{50, nil, isMet, "missed", false},
		{50, nil, nil, "–", false},
		{0, &skippedError{errors.New("no groups")}, isMet, "skipped: no groups", false},
		{5, errors.New("lost"), isMet, "WRONG: lost", true},
	} {
		r, s := testReport(t)
		r.addEvaluated(s, "burst", nil, figures{"p99, ms": test.p99}, test.err, test.met)
		if got := s.rows[0][1]; got != test.want || (r.failed != nil) != test.failed {
			t.Errorf("got %q and %v, want %q", got, r.failed, test.want)
		}
	}
}

func TestRecord_KeepsTheFirst(t *testing.T) {
	t.Parallel()
	var r record
	for i := range maxRuns + 5 {
		r.add(benchRun{Commit: strconv.Itoa(i)})
	}
	if len(r.Runs) != maxRuns || r.Runs[0].Commit != "0" || r.Runs[1].Commit != "6" || r.Runs[maxRuns-1].Commit != strconv.Itoa(maxRuns+4) {
		t.Errorf("got %+v", r.Runs)
	}
}

// TestReadRecord reads the records of this repository.
func TestReadRecord(t *testing.T) {
	t.Parallel()
	for _, r := range []*report{newReceiverReport(), newConsumerReport(), newRateLimitReport()} {
		past, err := readRecord(filepath.Join("..", "..", "bench", r.name+".json"))
		if err != nil || len(past.Runs) == 0 {
			t.Errorf("%s: %d runs, %v", r.name, len(past.Runs), err)
			continue
		}
		for _, row := range r.runs(past).rows {
			if strings.Contains(strings.Join(row, " "), "–") {
				t.Errorf("%s: a figure is missing: %q", r.name, row)
			}
		}
	}
	damaged := filepath.Join(t.TempDir(), "damaged.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRecord(damaged); err == nil {
		t.Error("a damaged record was read")
	}
}
