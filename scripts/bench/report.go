package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/bench/report"
)

// how says what the numbers mean.
const how = "Consumers are the real binary, each a process of its own; the stand-ins for SQS, DynamoDB and " +
	"Chargebee are another one, on loopback, without faults, limits or latency unless a table says so. " +
	"Messages, events and pending invoices are there before the consumers start. Polls are held back until " +
	"every consumer is ready and idle: what a consumer has used by then (/proc/PID/stat, user and system) " +
	"does not count. The time runs from then until the last message is deleted. After each scenario " +
	"the books are compared, and Chargebee must have been called once for each line and once for each " +
	"invoice. CPU is per invoice, of all consumers together; memory is the peak of the largest one (VmHWM)."

// measured is all that one run has to report.
type measured struct {
	run       report.Run[result]
	runs      []result // of the main scenario
	questions []question
	before    report.Run[result] // what it is compared with
	baseline  report.Run[result]
}

func (m measured) sections() ([]report.Section, error) {
	calls, err := m.calls()
	if err != nil {
		return nil, err
	}
	sections := []report.Section{m.main(), calls}
	for _, question := range m.questions {
		sections = append(sections, m.answer(question))
	}
	return sections, nil
}

// main is the section of the main scenario.
func (m measured) main() report.Section {
	now, before, baseline := m.run.Results[mainName], m.before.Results[mainName], m.baseline.Results[mainName]
	s := report.Section{
		Title:  fmt.Sprintf("An invoice of %d events and %d lines", mainEvents, mainLines),
		Text:   fmt.Sprintf("One consumer, %d invoices, the median of %d runs (CPU per invoice: %s).", now.Invoices, len(m.runs), m.spread()),
		Header: []string{"", "now", "run before", "ratio", "baseline", "ratio"},
		Left:   1,
	}
	for _, line := range []struct {
		name   string
		value  func(result) float64
		format string
	}{
		{"invoices per second", result.perSecond, "%.1f"},
		{fmt.Sprintf("CPU per invoice, ms (aim: %.0f)", milliseconds(aim)), func(r result) float64 { return milliseconds(r.cpuPerInvoice()) }, "%.2f"},
		{"CPU of the stand-ins per invoice, ms", func(r result) float64 { return milliseconds(r.standInCPUPerInvoice()) }, "%.2f"},
		{"peak memory, MB", func(r result) float64 { return megabytes(r.PeakMemory) }, "%.0f"},
		{"calls to Chargebee per invoice", func(r result) float64 { return r.perInvoice(r.callsOf("Chargebee")) }, "%.2f"},
		{"calls to DynamoDB per invoice", func(r result) float64 { return r.perInvoice(r.callsOf("DynamoDB")) }, "%.2f"},
		{"calls to SQS per invoice", func(r result) float64 { return r.perInvoice(r.callsOf("SQS")) }, "%.2f"},
		{"connections opened", func(r result) float64 { return float64(r.Connections) }, "%.0f"},
	} {
		cells := []string{line.name, fmt.Sprintf(line.format, line.value(now))}
		for _, other := range []result{before, baseline} {
			if other.Invoices == 0 {
				cells = append(cells, "–", "–")
				continue
			}
			cells = append(cells, fmt.Sprintf(line.format, line.value(other)), report.Ratio(line.value(now), line.value(other)))
		}
		s.Rows = append(s.Rows, cells)
	}
	return s
}

// spread tells how far the runs of the main scenario are apart.
func (m measured) spread() string {
	var each []string
	for _, run := range m.runs {
		each = append(each, fmt.Sprintf("%.2f", milliseconds(run.cpuPerInvoice())))
	}
	return strings.Join(each, ", ") + " ms"
}

func (m measured) calls() (report.Section, error) {
	rows, err := callRows(m.run.Results[mainName])
	return report.Section{
		Title:  "Its calls",
		Header: []string{"service", "call", "per invoice", "why"},
		Rows:   rows,
		Left:   -1,
	}, err
}

// answer is the section of a question.
func (m measured) answer(q question) report.Section {
	s := report.Section{
		Title: q.title,
		Text:  q.text,
		Header: append(q.grows,
			"invoices", "invoices/s", "events/s", "CPU, ms", "CPU per event, µs", "stand-ins' CPU, ms", "peak, MB",
			"Chargebee calls", "DynamoDB calls", "SQS calls", "invoices/s to before", "CPU to before"),
	}
	for _, row := range q.rows {
		now, before := m.run.Results[row.scenario.Name], m.before.Results[row.scenario.Name]
		speed, cpu := "–", "–"
		if before.Invoices > 0 {
			speed = report.Ratio(now.perSecond(), before.perSecond())
			cpu = report.Ratio(float64(now.cpuPerInvoice()), float64(before.cpuPerInvoice()))
		}
		s.Rows = append(s.Rows, append(row.values,
			strconv.Itoa(now.Invoices),
			fmt.Sprintf("%.1f", now.perSecond()),
			fmt.Sprintf("%.0f", now.eventsPerSecond()),
			fmt.Sprintf("%.2f", milliseconds(now.cpuPerInvoice())),
			fmt.Sprintf("%.1f", float64(now.cpuPerEvent())/float64(time.Microsecond)),
			fmt.Sprintf("%.2f", milliseconds(now.standInCPUPerInvoice())),
			fmt.Sprintf("%.0f", megabytes(now.PeakMemory)),
			perInvoice(now, now.callsOf("Chargebee")),
			perInvoice(now, now.callsOf("DynamoDB")),
			perInvoice(now, now.callsOf("SQS")),
			speed, cpu,
		))
	}
	return s
}

// history is how the main scenario went from run to run.
func history(r report.Record[result]) report.Section {
	s := report.Section{
		Title:  "Runs so far",
		Text:   "The main scenario; ratios are to the first run.",
		Header: []string{"date", "commit", "machine", "load", "invoices/s", "ratio", "CPU per invoice, ms", "ratio", "DynamoDB calls per invoice"},
		Left:   3,
	}
	for _, run := range r.Runs {
		now, first := run.Results[mainName], r.Runs[0].Results[mainName]
		s.Rows = append(s.Rows, []string{
			run.Date, run.Commit, fmt.Sprintf("%s, %d cores", run.Machine.CPU, run.Machine.Cores), fmt.Sprintf("%.1f", run.Load),
			fmt.Sprintf("%.1f", now.perSecond()), report.Ratio(now.perSecond(), first.perSecond()),
			fmt.Sprintf("%.2f", milliseconds(now.cpuPerInvoice())), report.Ratio(float64(now.cpuPerInvoice()), float64(first.cpuPerInvoice())),
			perInvoice(now, now.callsOf("DynamoDB")),
		})
	}
	return s
}

// page is the whole report as a file.
func (m measured) page(sections []report.Section) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a consumer costs\n\nMeasured by `make bench-consumer`, which wrote this page.\n\n")
	fmt.Fprintf(&b, "%s.\n\n%s\n", m.run.Circumstances(), how)
	if note := m.run.Elsewhere(m.before); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	for _, section := range sections {
		fmt.Fprintf(&b, "\n%s", section.Markdown())
	}
	return b.String()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
