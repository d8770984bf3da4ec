package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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
	run       recordedRun
	runs      []result // of the main scenario
	questions []question
	before    recordedRun // what it is compared with
	baseline  recordedRun
}

func (m measured) sections() ([]section, error) {
	calls, err := m.calls()
	if err != nil {
		return nil, err
	}
	sections := []section{m.main(), calls}
	for _, question := range m.questions {
		sections = append(sections, m.answer(question))
	}
	return sections, nil
}

// main is the section of the main scenario.
func (m measured) main() section {
	now, before, baseline := m.run.Results[mainName], m.before.Results[mainName], m.baseline.Results[mainName]
	s := section{
		title:  fmt.Sprintf("An invoice of %d events and %d lines", mainEvents, mainLines),
		text:   fmt.Sprintf("One consumer, %d invoices, the median of %d runs (CPU per invoice: %s).", now.Invoices, len(m.runs), m.spread()),
		header: []string{"", "now", "run before", "ratio", "baseline", "ratio"},
		left:   1,
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
			cells = append(cells, fmt.Sprintf(line.format, line.value(other)), ratio(line.value(now), line.value(other)))
		}
		s.rows = append(s.rows, cells)
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

func (m measured) calls() (section, error) {
	rows, err := callRows(m.run.Results[mainName])
	return section{
		title:  "Its calls",
		header: []string{"service", "call", "per invoice", "why"},
		rows:   rows,
		left:   -1,
	}, err
}

// answer is the section of a question.
func (m measured) answer(q question) section {
	s := section{
		title: q.title,
		text:  q.text,
		header: append(q.grows,
			"invoices", "invoices/s", "events/s", "CPU, ms", "CPU per event, µs", "stand-ins' CPU, ms", "peak, MB",
			"Chargebee calls", "DynamoDB calls", "SQS calls", "invoices/s to before", "CPU to before"),
	}
	for _, row := range q.rows {
		now, before := m.run.Results[row.scenario.Name], m.before.Results[row.scenario.Name]
		speed, cpu := "–", "–"
		if before.Invoices > 0 {
			speed = ratio(now.perSecond(), before.perSecond())
			cpu = ratio(float64(now.cpuPerInvoice()), float64(before.cpuPerInvoice()))
		}
		s.rows = append(s.rows, append(row.values,
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
func history(r record) section {
	s := section{
		title:  "Runs so far",
		text:   "The main scenario; ratios are to the first run.",
		header: []string{"date", "commit", "machine", "load", "invoices/s", "ratio", "CPU per invoice, ms", "ratio", "DynamoDB calls per invoice"},
		left:   3,
	}
	for _, run := range r.Runs {
		now, first := run.Results[mainName], r.Runs[0].Results[mainName]
		s.rows = append(s.rows, []string{
			run.Date, run.Commit, fmt.Sprintf("%s, %d cores", run.Machine.CPU, run.Machine.Cores), fmt.Sprintf("%.1f", run.Load),
			fmt.Sprintf("%.1f", now.perSecond()), ratio(now.perSecond(), first.perSecond()),
			fmt.Sprintf("%.2f", milliseconds(now.cpuPerInvoice())), ratio(float64(now.cpuPerInvoice()), float64(first.cpuPerInvoice())),
			perInvoice(now, now.callsOf("DynamoDB")),
		})
	}
	return s
}

// page is the whole report as a file.
func (m measured) page(sections []section) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a consumer costs\n\nMeasured by `make bench-consumer`, which wrote this page.\n\n")
	fmt.Fprintf(&b, "%s.\n\n%s\n", m.circumstances(), how)
	if note := m.elsewhere(); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	for _, section := range sections {
		fmt.Fprintf(&b, "\n%s", section.markdown())
	}
	return b.String()
}

// circumstances are when, of what and where it was measured.
func (m measured) circumstances() string {
	return fmt.Sprintf("%s, commit %s. %s, load %.1f when it began", m.run.Date, m.run.Commit, m.run.Machine, m.run.Load)
}

// elsewhere warns that the runs that are compared come from different machines.
func (m measured) elsewhere() string {
	if m.before.Results == nil || m.before.Machine == m.run.Machine {
		return ""
	}
	return fmt.Sprintf("The run before was made elsewhere, so ratios say little: %s.", m.before.Machine)
}

// ratio is now to before: below 1 is less.
func ratio(now, before float64) string {
	if before == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", now/before)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
