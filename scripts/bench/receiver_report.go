package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const receiverIntroduction = "The receiver is the real binary; the fake of SQS, which adds 15 ms to each call, and the load generator are two further " +
	"processes. All share the cores of this machine, over loopback. Webhooks have 5,686 bytes and an event each. Loads per second are open " +
	"(vegeta): a request leaves when it is due, however slow the receiver is, and latency counts from when it was due, so that no delay of " +
	"the generator or of the receiver is left out. Percentiles are of all answers. CPU is from /proc/PID/stat, user and system; memory is the " +
	"peak (VmHWM). quarter_cpu is a control group of 0.25 CPU and 256 MiB. Every scenario starts all processes again, requests /livez each " +
	"second with a timeout of 1 s, and at the end checks that every event answered 200 is in the queue, once unless a response of the queue was lost."

// receiverReport is the report of one run.
type receiverReport struct {
	durations durations
	run       benchRun[ReceiverResult]
	answers   map[string][]Answer // by scenario
	before    benchRun[ReceiverResult]
	baseline  benchRun[ReceiverResult]
}

func (r receiverReport) sections() []section {
	results, resources := section{
		title:    "Scenarios",
		header:   []string{"scenario", "load", "target", "result", "requests", "200", "p50, ms", "p95, ms", "p99, ms", "max, ms", "/livez failed"},
		left:     4,
		pictures: []string{"receiver/latency.svg"},
	}, section{
		title: "Resources",
		text: "CPU per request is the receiver's. Cores are how many each process used. Late is how late the generator's own requests left, p99. " +
			"Extra are messages in the queue that were not answered 200, twice are further copies after lost responses.",
		header:   []string{"scenario", "CPU per request, µs", "receiver, cores", "queue, cores", "generator, cores", "messages per call", "peak, MB", "late, ms", "slowest /livez, ms", "extra", "twice"},
		left:     1,
		pictures: []string{"receiver/sustain.svg", "receiver/outage-answers.svg", "receiver/outage-latency.svg"},
	}
	for _, scenario := range r.durations.scenarios() {
		result, ok := r.run.Results[scenario.name]
		if !ok {
			continue
		}
		row := []string{scenario.name, scenario.load, scenario.target, outcome(scenario.name, result)}
		if scenario.target == "" {
			row[2] = "–"
		}
		if result.Skipped == "" {
			l := result.Latencies
			row = append(row, strconv.Itoa(result.Requests), percentOK(result), inMilliseconds(l.P50), inMilliseconds(l.P95), inMilliseconds(l.P99),
				inMilliseconds(l.Max), fmt.Sprintf("%d of %d", result.PollsFailed, result.Polls))
			cores := func(cpu time.Duration) string {
				return fmt.Sprintf("%.2f", cpu.Seconds()/max(result.Took.Seconds(), 1e-9))
			}
			resources.rows = append(resources.rows, []string{
				scenario.name, fmt.Sprintf("%.0f", microseconds(result.perRequest())), cores(result.CPU), cores(result.QueueCPU), cores(result.GeneratorCPU),
				fmt.Sprintf("%.1f", float64(result.Messages)/float64(max(result.Calls, 1))), fmt.Sprintf("%.0f", megabytes(result.PeakMemory)),
				inMilliseconds(result.Lateness), inMilliseconds(result.SlowestPoll), strconv.Itoa(result.Extra), strconv.Itoa(result.Twice),
			})
		}
		results.rows = append(results.rows, row)
	}
	return []section{results, resources, r.baselines(), r.compared()}
}

func percentOK(r ReceiverResult) string {
	return fmt.Sprintf("%.2f %%", 100*float64(r.OK)/float64(max(r.Requests, 1)))
}

// outcome returns the verdict, with its value if it is in no column.
func outcome(name string, r ReceiverResult) string {
	var value string
	switch {
	case r.Skipped != "":
	case r.Rate > 0:
		value = fmt.Sprintf("%d/s", r.Rate)
	case strings.HasSuffix(name, limitName):
		value = "none held"
	case name == outageName && r.Recovered < 0:
		value = "no recovery"
	case name == outageName:
		value = fmt.Sprintf("full speed after %.1f s, %.0f MB", r.Recovered.Seconds(), megabytes(r.PeakMemory))
	}
	if verdict := r.verdict(); value == "" || verdict == "" {
		return value + verdict
	}
	return value + ": " + r.verdict()
}

// baselines compares the receiver with servers that do less.
func (r receiverReport) baselines() section {
	s := section{
		title: "Baselines",
		text: "What a request costs servers that do less, all on echo. Saturated is a closed loop of 512 connections. " +
			"The servers are loaded in turn, several times. Ratios are to do-nothing with body in the same run.",
		header:   []string{"server"},
		left:     1,
		pictures: []string{"receiver/baselines.svg"},
	}
	targets := []string{"target"}
	rows := map[string][]string{}
	for _, mode := range r.durations.modes() {
		s.header = append(s.header, mode.name+", requests/s", "200", "CPU per request, µs", "ratio")
		verdict := ReceiverResult{Target: mode.name, Met: receiverRatio(r.run.Results, mode) <= mode.maximum}.verdict()
		targets = append(targets, "", "", "", fmt.Sprintf("≤ %.1f, goal %.1f: %s", mode.maximum, mode.goal, verdict))
		for _, server := range comparedServers {
			result := r.run.Results[baselineName(mode.name, server)]
			rows[server] = append(rows[server], fmt.Sprintf("%.0f", float64(result.Requests)/max(result.Took.Seconds(), 1e-9)), percentOK(result),
				fmt.Sprintf("%.1f", microseconds(result.perRequest())), fmt.Sprintf("%.2f", baselineRatio(r.run.Results, mode, server)))
		}
	}
	if _, ok := r.run.Results[baselineName(r.durations.modes()[0].name, fullReceiver)]; ok {
		for _, server := range comparedServers {
			s.rows = append(s.rows, append([]string{server}, rows[server]...))
		}
		s.rows = append(s.rows, targets)
	}
	return s
}

// baselineRatio returns the CPU of a server to that of readBody.
func baselineRatio(results map[string]ReceiverResult, mode loadMode, server string) float64 {
	return float64(results[baselineName(mode.name, server)].perRequest()) / float64(max(results[baselineName(mode.name, readBody)].perRequest(), 1))
}

func receiverRatio(results map[string]ReceiverResult, mode loadMode) float64 {
	return baselineRatio(results, mode, fullReceiver)
}

// compared compares this run with the one before and the first one.
func (r receiverReport) compared() section {
	s := section{
		title:  "Compared",
		text:   "Ratios are to the run before and to the first one; below 1 is less.",
		header: []string{"scenario", "p99, ms", "before", "ratio", "first", "ratio", "CPU per request, µs", "before", "ratio", "first", "ratio"},
		left:   1,
	}
	for _, name := range r.names() {
		now, ok := r.run.Results[name]
		if !ok || now.Skipped != "" {
			continue
		}
		before, first := r.before.Results[name], r.baseline.Results[name]
		row := append([]string{name}, compared("%.1f", milliseconds(now.Latencies.P99), milliseconds(before.Latencies.P99), milliseconds(first.Latencies.P99))...)
		s.rows = append(s.rows, append(row, compared("%.1f", microseconds(now.perRequest()), microseconds(before.perRequest()), microseconds(first.perRequest()))...))
	}
	return s
}

// names returns the names of all results.
func (r receiverReport) names() (names []string) {
	for _, scenario := range r.durations.scenarios() {
		names = append(names, scenario.name)
	}
	for _, mode := range r.durations.modes() {
		for _, server := range comparedServers {
			names = append(names, baselineName(mode.name, server))
		}
	}
	return names
}

func (r receiverReport) history(past record[ReceiverResult]) section {
	s := section{
		title:  "Runs",
		header: []string{"date", "commit", "machine", "load", "sustain p99, ms", "CPU per request, µs", "limit, /s", "quarter_cpu_limit, /s"},
		left:   3,
	}
	for _, mode := range r.durations.modes() {
		s.header = append(s.header, "ratio "+mode.name)
	}
	for _, run := range past.Runs {
		sustain := run.Results[sustainName]
		row := append(run.cells(), inMilliseconds(sustain.Latencies.P99), fmt.Sprintf("%.0f", microseconds(sustain.perRequest())),
			strconv.Itoa(run.Results[limitName].Rate), strconv.Itoa(run.Results[quarterPrefix+limitName].Rate))
		for _, mode := range r.durations.modes() {
			row = append(row, fmt.Sprintf("%.2f", receiverRatio(run.Results, mode)))
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// write writes the page and its pictures.
func (r receiverReport) write(directory string, past record[ReceiverResult]) error {
	page := markdown(append(r.sections(), r.history(past)), "# What a receiver takes and costs", "Measured by `make bench`, which wrote this page.",
		r.run.describe()+".", receiverIntroduction, r.run.warning(r.before))
	return errors.Join(r.draw(directory), writeFile(filepath.Join(directory, "receiver.md"), page))
}

func inMilliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", milliseconds(d)) }
