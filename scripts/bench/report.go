package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// maxRuns bounds a record to the first run, which is the baseline, and the latest ones.
const maxRuns = 20

// record is all runs of a benchmark, the oldest first.
type record[Result any] struct {
	Runs []benchRun[Result] `json:"runs"`
}

// benchRun is one run of a benchmark.
type benchRun[Result any] struct {
	Date    string            `json:"date"` // RFC 3339, UTC
	Commit  string            `json:"commit"`
	Machine machine           `json:"machine"`
	Load    float64           `json:"load"`    // load average at the start
	Results map[string]Result `json:"results"` // by scenario
}

func newRun[Result any](ctx context.Context) (r benchRun[Result], err error) {
	r = benchRun[Result]{Date: time.Now().UTC().Format(time.RFC3339), Commit: commit(ctx), Results: map[string]Result{}}
	r.Machine, r.Load, err = thisMachine()
	return r, err
}

func (r benchRun[Result]) describe() string {
	return fmt.Sprintf("%s, commit %s. %s, load %.1f when it began", r.Date, r.Commit, r.Machine, r.Load)
}

// warning returns a warning if the run before was made on another machine, or an empty text.
func (r benchRun[Result]) warning(before benchRun[Result]) string {
	if before.Results == nil || before.Machine == r.Machine {
		return ""
	}
	return fmt.Sprintf("The run before was made on another machine, so ratios are not meaningful: %s.", before.Machine)
}

// readRecord reads a record. A file that does not exist is an empty record.
func readRecord[Result any](file string) (r record[Result], err error) {
	content, err := os.ReadFile(file) //nolint:gosec // the path is the caller's
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read the record %s: %w", file, err)
	}
	return r, nil
}

// compareWith returns the runs that a new one is compared with, the latest and the first. They have no
// results if there are none.
func (r record[Result]) compareWith() (before, baseline benchRun[Result]) {
	if len(r.Runs) > 0 {
		before, baseline = r.Runs[len(r.Runs)-1], r.Runs[0]
	}
	return before, baseline
}

// with returns the record with one more run.
func (r record[Result]) with(run benchRun[Result]) record[Result] {
	runs := append(slices.Clone(r.Runs), run)
	if len(runs) > maxRuns {
		runs = slices.Delete(runs, 1, len(runs)-maxRuns+1)
	}
	return record[Result]{runs}
}

func (r record[Result]) write(file string) error {
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(file, append(content, '\n'))
}

// writeFile replaces a file atomically.
func writeFile(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, content, 0o644); err != nil { //nolint:gosec // reports are public
		return err
	}
	return os.Rename(temporary, file)
}

// section is a part of a report: a title, a text, a table and pictures.
type section struct {
	title    string
	text     string
	header   []string
	rows     [][]string
	left     int // leading columns that are text; -1 is all
	pictures []string
}

// table returns the table. Wrapped, its long cells fit a terminal.
func (s section) table(wrapped bool) table.Writer {
	writer := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	writer.SetStyle(style)
	var columns []table.ColumnConfig
	for i := range s.header {
		column := table.ColumnConfig{Number: i + 1}
		if s.left >= 0 && i >= s.left {
			column.Align, column.AlignHeader = text.AlignRight, text.AlignRight
		}
		if wrapped {
			column.WidthMax, column.WidthMaxEnforcer = 60, text.WrapSoft
		}
		columns = append(columns, column)
	}
	writer.SetColumnConfigs(columns)
	writer.AppendHeader(tableRow(s.header))
	for _, row := range s.rows {
		writer.AppendRow(tableRow(row))
	}
	return writer
}

func tableRow(cells []string) (row table.Row) {
	for _, cell := range cells {
		row = append(row, cell)
	}
	return row
}

// printSections writes a report to a terminal.
func printSections(out io.Writer, sections []section, introduction ...string) error {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(introduction, "\n"))
	for _, s := range sections {
		if len(s.rows) > 0 {
			fmt.Fprintf(&b, "\n%s\n%s\n", strings.TrimSpace(s.title+"\n"+s.text), s.table(true).Render())
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// markdown returns a report as a page.
func markdown(sections []section, introduction ...string) []byte {
	var b strings.Builder
	for i, paragraph := range introduction {
		if paragraph != "" {
			fmt.Fprintf(&b, "%s%s\n", map[bool]string{true: "\n"}[i > 0], paragraph)
		}
	}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.title)
		if s.text != "" {
			fmt.Fprintf(&b, "%s\n\n", s.text)
		}
		fmt.Fprintln(&b, s.table(false).RenderMarkdown())
		for _, picture := range s.pictures {
			fmt.Fprintf(&b, "\n![%s](%s)\n", captions[picture], picture)
		}
	}
	return []byte(b.String())
}

// compared returns a value, and each other value with the ratio to it. Without another value, which
// is 0, there are dashes.
func compared(format string, now float64, others ...float64) []string {
	cells := []string{fmt.Sprintf(format, now)}
	for _, other := range others {
		if other == 0 {
			cells = append(cells, "–", "–")
		} else {
			cells = append(cells, fmt.Sprintf(format, other), ratio(now, other))
		}
	}
	return cells
}

// ratio returns now to before: less than 1 is less.
func ratio(now, before float64) string {
	if before == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", now/before)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// cells returns the first columns of a history of runs.
func (r benchRun[Result]) cells() []string {
	return []string{r.Date, r.Commit, fmt.Sprintf("%s, %d cores", r.Machine.CPU, r.Machine.Cores), fmt.Sprintf("%.1f", r.Load)}
}
