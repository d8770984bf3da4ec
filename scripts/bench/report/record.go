package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/billable-events/billable/scripts/bench/machine"
)

// MaxRuns bounds a record: the first run, which is the baseline, and the latest.
const MaxRuns = 20

// Record is what was measured so far, the oldest first.
type Record[Result any] struct {
	Runs []Run[Result] `json:"runs"`
}

// Run is one run of a benchmark.
type Run[Result any] struct {
	Date    string            `json:"date"` // RFC 3339, UTC
	Commit  string            `json:"commit"`
	Machine machine.Machine   `json:"machine"`
	Load    float64           `json:"load"`    // processes that wanted a core when it began, on average over the minute before
	Results map[string]Result `json:"results"` // by the scenario's name
}

// NewRun is a run that begins now, without results.
func NewRun[Result any](ctx context.Context) (Run[Result], error) {
	run := Run[Result]{
		Date:    time.Now().UTC().Format(time.RFC3339),
		Commit:  machine.Commit(ctx),
		Results: map[string]Result{},
	}
	var err error
	if run.Machine, err = machine.This(); err != nil {
		return run, err
	}
	run.Load, err = machine.Load()
	return run, err
}

// Circumstances are when, of what and where it was measured.
func (r Run[Result]) Circumstances() string {
	return fmt.Sprintf("%s, commit %s. %s, load %.1f when it began", r.Date, r.Commit, r.Machine, r.Load)
}

// Elsewhere warns that the run before, which this one is compared with, was made on
// another machine. It is empty if it was not, or if there was none.
func (r Run[Result]) Elsewhere(before Run[Result]) string {
	if before.Results == nil || before.Machine == r.Machine {
		return ""
	}
	return fmt.Sprintf("The run before was made elsewhere, so ratios say little: %s.", before.Machine)
}

// Read reads a record; one that does not exist is empty.
func Read[Result any](file string) (Record[Result], error) {
	var r Record[Result]
	content, err := os.ReadFile(file) //nolint:gosec // the file is the caller's own
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("read the record %s: %w", file, err)
	}
	return r, nil
}

// First is the baseline; it has no results if there is none.
func (r Record[Result]) First() Run[Result] {
	if len(r.Runs) == 0 {
		return Run[Result]{}
	}
	return r.Runs[0]
}

// Last is the run that a new one is compared with; it has no results if there is none.
func (r Record[Result]) Last() Run[Result] {
	if len(r.Runs) == 0 {
		return Run[Result]{}
	}
	return r.Runs[len(r.Runs)-1]
}

// With is the record with one run more.
func (r Record[Result]) With(run Run[Result]) Record[Result] {
	runs := append(slices.Clone(r.Runs), run)
	if len(runs) > MaxRuns {
		runs = slices.Delete(runs, 1, len(runs)-MaxRuns+1)
	}
	return Record[Result]{runs}
}

// Write keeps the record.
func (r Record[Result]) Write(file string) error {
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return Keep(file, append(content, '\n'))
}

// Keep writes a file as a whole or not at all.
func Keep(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	next := file + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil { //nolint:gosec // reports are for everybody
		return err
	}
	return os.Rename(next, file)
}

// Ratio is now to before: below 1 is less.
func Ratio(now, before float64) string {
	if before == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", now/before)
}
