package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxRuns bounds a record: the first run, which is the baseline, and the latest.
const maxRuns = 20

// record is what was measured so far, the oldest first.
type record struct {
	Runs []recordedRun `json:"runs"`
}

// recordedRun is one run of a benchmark.
type recordedRun struct {
	Date    string            `json:"date"` // RFC 3339, UTC
	Commit  string            `json:"commit"`
	Machine machine           `json:"machine"`
	Load    float64           `json:"load"`    // processes that wanted a core when it began, on average over the minute before
	Results map[string]result `json:"results"` // by the scenario's name
}

// readRecord reads a record; one that does not exist is empty.
func readRecord(file string) (record, error) {
	var r record
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

// last is the run that a new one is compared with; it has no results if there is none.
func (r record) last() recordedRun {
	if len(r.Runs) == 0 {
		return recordedRun{}
	}
	return r.Runs[len(r.Runs)-1]
}

// with is the record with one run more.
func (r record) with(run recordedRun) record {
	runs := append(slices.Clone(r.Runs), run)
	if len(runs) > maxRuns {
		runs = slices.Delete(runs, 1, len(runs)-maxRuns+1)
	}
	return record{runs}
}

func (r record) write(file string) error {
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return keep(file, append(content, '\n'))
}

// keep writes a file as a whole or not at all.
func keep(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	next := file + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil { //nolint:gosec // reports are for everybody
		return err
	}
	return os.Rename(next, file)
}
