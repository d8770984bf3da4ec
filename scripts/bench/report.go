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
	"text/template"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// maxRuns bounds a record to the first run and the latest ones.
const maxRuns = 20

// figures are the results of a scenario by name, for example "p99, ms".
type figures map[string]float64

// column is a figure in a table.
type column struct {
	figure string
	format string // of fmt
}

// section is a table of a report with a row for each scenario: texts, then figures.
type section struct {
	title, text string
	labels      []string // headers of the texts
	columns     []column
	rows        [][]string
}

// historyColumn is a figure in the table of recorded runs.
type historyColumn struct{ header, scenario, figure, format string }

// report is one run of a benchmark, with its page.
type report struct {
	name         string // of the files
	title        string
	target       string // of make
	introduction string
	sections     []*section
	history      []historyColumn

	run      benchRun
	failed   error
	progress io.Writer
}

// benchRun is one run in a record.
type benchRun struct {
	Date    string             `json:"date"` // RFC 3339, UTC
	Commit  string             `json:"commit"`
	Machine machine            `json:"machine"`
	Load    float64            `json:"load"`    // load average at the start
	Results map[string]figures `json:"results"` // by scenario
}

// record is all runs of a benchmark, the oldest first.
type record struct {
	Runs []benchRun `json:"runs"`
}

// add adds the result of a scenario to a section and to the record.
func (r *report) add(s *section, scenario string, labels []string, result figures) {
	row := slices.Concat(labels, result.cells(s.columns))
	s.rows = append(s.rows, row)
	r.run.Results[scenario] = result
	_, _ = fmt.Fprintln(r.progress, strings.Join(row, "  "))
}

// fail records an error of a scenario. The run continues, and is not recorded.
func (r *report) fail(scenario string, err error) {
	if err != nil {
		r.failed = errors.Join(r.failed, fmt.Errorf("%s: %w", scenario, err))
	}
}

// cells returns the figures of the columns, with a dash for each that is missing.
func (f figures) cells(columns []column) (cells []string) {
	for _, c := range columns {
		if value, ok := f[c.figure]; ok {
			cells = append(cells, fmt.Sprintf(c.format, value))
		} else {
			cells = append(cells, "–")
		}
	}
	return cells
}

// finish prints the report. A complete run is also recorded and written as a page.
func (r *report) finish(o options, complete bool) error {
	if !complete {
		return r.write(o.out, table.Writer.Render)
	}
	file := filepath.Join(o.reports, r.name+".json")
	past, err := readRecord(file)
	if err != nil {
		return err
	}
	past.add(r.run)
	r.sections = append(r.sections, r.runs(past))
	var page strings.Builder
	content, err := json.MarshalIndent(past, "", "\t")
	return errors.Join(err, r.write(o.out, table.Writer.Render), r.write(&page, table.Writer.RenderMarkdown),
		os.WriteFile(file, append(content, '\n'), 0o600), os.WriteFile(filepath.Join(o.reports, r.name+".md"), []byte(page.String()), 0o600))
}

// runs returns the table of recorded runs.
func (r *report) runs(past record) *section {
	s := &section{title: "Runs", labels: []string{"date", "commit", "machine", "load"}}
	for _, h := range r.history {
		s.columns = append(s.columns, column{h.header, h.format})
	}
	for _, run := range past.Runs {
		row := []string{run.Date, run.Commit, fmt.Sprintf("%s, %d cores", run.Machine.CPU, run.Machine.Cores), fmt.Sprintf("%.1f", run.Load)}
		for _, h := range r.history {
			row = append(row, run.Results[h.scenario].cells([]column{{h.figure, h.format}})...)
		}
		s.rows = append(s.rows, row)
	}
	return s
}

var page = template.Must(template.New("page").Parse(`# {{.Title}}

Measured by ` + "`make {{.Target}}`" + `, which wrote this page.

{{.Run}}.

{{.Introduction}}
{{range .Sections}}
## {{.Title}}
{{with .Text}}
{{.}}
{{end}}
{{.Table}}
{{end}}`))

// write writes the report, with tables in the format of render.
func (r *report) write(w io.Writer, render func(table.Writer) string) error {
	type pageSection struct{ Title, Text, Table string }
	var sections []pageSection
	for _, s := range r.sections {
		if len(s.rows) > 0 {
			sections = append(sections, pageSection{s.title, s.text, render(s.table())})
		}
	}
	return page.Execute(w, map[string]any{
		"Title": r.title, "Target": r.target, "Run": r.run.String(), "Introduction": r.introduction, "Sections": sections,
	})
}

func (s *section) table() table.Writer {
	writer := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	writer.SetStyle(style)
	var header table.Row
	for _, label := range s.labels {
		header = append(header, label)
	}
	var aligned []table.ColumnConfig
	for _, c := range s.columns {
		header = append(header, c.figure)
		aligned = append(aligned, table.ColumnConfig{Number: len(header), Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	writer.SetColumnConfigs(aligned)
	writer.AppendHeader(header)
	for _, cells := range s.rows {
		var row table.Row
		for _, cell := range cells {
			row = append(row, cell)
		}
		writer.AppendRow(row)
	}
	return writer
}

func newRun(ctx context.Context) (r benchRun, err error) {
	r = benchRun{Date: time.Now().UTC().Format(time.RFC3339), Commit: commit(ctx), Results: map[string]figures{}}
	r.Machine, r.Load, err = thisMachine()
	return r, err
}

func (r benchRun) String() string {
	return fmt.Sprintf("%s, commit %s. %s, load %.1f when it began", r.Date, r.Commit, r.Machine, r.Load)
}

// readRecord reads a record. A file that does not exist is an empty record.
func readRecord(file string) (r record, err error) {
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

// add adds a run, and removes the oldest ones but the first.
func (r *record) add(run benchRun) {
	r.Runs = append(r.Runs, run)
	if surplus := len(r.Runs) - maxRuns; surplus > 0 {
		r.Runs = slices.Delete(r.Runs, 1, 1+surplus)
	}
}
