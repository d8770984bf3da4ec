package receiver

import (
	"errors"
	"fmt"
	"html"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/bench/ladder"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/report"
)

const title = "What a receiver takes and costs"

// how says what the numbers mean.
const how = "The receiver is the real binary; the stand-in for SQS, which takes 15 ms longer for each call than it needs, and " +
	"the load generator are two further processes. All share the cores of this machine, over loopback. Webhooks have " +
	"5,686 bytes and an event each. Loads of so many requests a second are open ones (vegeta): a request leaves when it is due, however " +
	"slow the receiver is, and how long it took is counted from when it was due, so that no delay of the generator or of the " +
	"receiver is left out. Percentiles are of all answers. CPU is from /proc/PID/stat, user and system; memory is the peak (VmHWM). " +
	"The quarter is a control group of 0.25 CPU and 256 MiB. Every scenario starts all processes anew, asks " +
	"/livez each second with a time-out of 1 s, and at the end finds every event that was answered 200 in the queue, once, " +
	"unless an answer of the queue was lost."

// measured is all that one run has to report.
type measured struct {
	lengths  lengths
	run      report.Run[Result]
	answers  map[string][]load.Answer // by scenario
	before   report.Run[Result]       // what it is compared with
	baseline report.Run[Result]
}

func (m measured) sections() []report.Section {
	return []report.Section{m.reached(), m.took(), m.ladder(), m.compared()}
}

// reached is what came of each scenario.
func (m measured) reached() report.Section {
	s := report.Section{
		Title:    "Scenarios",
		Header:   []string{"scenario", "what", "to reach", "result", "requests", "200", "p50, ms", "p95, ms", "p99, ms", "max, ms", "/livez failed"},
		Left:     4,
		Pictures: []report.Picture{{File: "receiver/latency.svg", Text: "Latencies of each scenario"}},
	}
	for _, scenario := range m.lengths.scenarios() {
		r, measured := m.run.Results[scenario.name]
		if !measured {
			continue
		}
		row := []string{scenario.name, scenario.what, orDash(scenario.target), outcome(scenario.name, r)}
		if r.Skipped == "" {
			row = append(row, strconv.Itoa(r.Requests), fmt.Sprintf("%.2f %%", 100*float64(r.OK)/float64(max(r.Requests, 1))),
				inMilliseconds(r.Latencies.P50), inMilliseconds(r.Latencies.P95), inMilliseconds(r.Latencies.P99), inMilliseconds(r.Latencies.Max),
				fmt.Sprintf("%d of %d", r.PollsFailed, r.Polls))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// outcome is the verdict, with the number that it is about if no column has it.
func outcome(name string, r Result) string {
	var parts []string
	switch {
	case r.Skipped != "":
	case r.Rate > 0:
		parts = append(parts, fmt.Sprintf("%d/s", r.Rate))
	case strings.HasSuffix(name, "limit"):
		parts = append(parts, "none held")
	case name == outageName && r.Recovered < 0:
		parts = append(parts, "no recovery")
	case name == outageName:
		parts = append(parts, fmt.Sprintf("full speed after %.1f s, %.0f MB", r.Recovered.Seconds(), megabytes(r.PeakMemory)))
	}
	if verdict := r.verdict(); verdict != "" {
		parts = append(parts, verdict)
	}
	return strings.Join(parts, ": ")
}

// took is what each scenario took of the machine.
func (m measured) took() report.Section {
	s := report.Section{
		Title: "What they took",
		Text: "CPU per request is the receiver's. Cores are how many each process kept busy. Late is by how much the generator's own requests left " +
			"after they were due, the 99th percentile. Extra are messages in the queue whose sender was told otherwise, twice are further copies after lost answers.",
		Header: []string{"scenario", "CPU per request, µs", "receiver, cores", "queue, cores", "generator, cores", "messages per call", "peak, MB", "late, ms", "slowest /livez, ms", "extra", "twice"},
		Left:   1,
		Pictures: []report.Picture{
			{File: "receiver/sustain.svg", Text: "Latencies in each second of sustain"},
			{File: "receiver/outage-answers.svg", Text: "Answers in each second of outage"},
			{File: "receiver/outage-latency.svg", Text: "Latencies in each second of outage"},
		},
	}
	for _, scenario := range m.lengths.scenarios() {
		r, measured := m.run.Results[scenario.name]
		if !measured || r.Skipped != "" {
			continue
		}
		s.Rows = append(s.Rows, []string{
			scenario.name, fmt.Sprintf("%.0f", microseconds(r.perRequest(r.CPU))),
			fmt.Sprintf("%.2f", r.cores(r.CPU)), fmt.Sprintf("%.2f", r.cores(r.StandInCPU)), fmt.Sprintf("%.2f", r.cores(r.GeneratorCPU)),
			fmt.Sprintf("%.1f", r.batch()), fmt.Sprintf("%.0f", megabytes(r.PeakMemory)), inMilliseconds(r.Lateness), inMilliseconds(r.SlowestPoll),
			strconv.Itoa(r.Extra), strconv.Itoa(r.Twice),
		})
	}
	return s
}

// ladder compares the receiver with servers that do less.
func (m measured) ladder() report.Section {
	s := report.Section{
		Title: "Ladder",
		Text: "What a request costs servers that do less, all on echo. Saturated is a closed loop of 512 connections. " +
			"The rungs were loaded in turn, several times, and a ratio is to do-nothing with body in the same run.",
		Header:   []string{"rung"},
		Left:     1,
		Pictures: []report.Picture{{File: "receiver/ladder.svg", Text: "CPU per request on each rung"}},
	}
	verdicts := []string{"to reach"}
	for _, mode := range m.lengths.modes() {
		s.Header = append(s.Header, mode.name+", requests/s", "200", "CPU per request, µs", "ratio")
		verdicts = append(verdicts, "", "", "", fmt.Sprintf("≤ %.1f, aim %.1f: %s", mode.most, mode.aim, m.verdict(mode)))
	}
	if _, measured := m.run.Results[rungName(m.lengths.modes()[0].name, fullRung)]; !measured {
		return s
	}
	for _, rung := range rungs() {
		row := []string{rung}
		for _, mode := range m.lengths.modes() {
			r := m.run.Results[rungName(mode.name, rung)]
			row = append(row, fmt.Sprintf("%.0f", float64(r.Requests)/max(r.Took.Seconds(), 1e-9)), fmt.Sprintf("%.2f %%", 100*float64(r.OK)/float64(max(r.Requests, 1))),
				fmt.Sprintf("%.1f", microseconds(r.perRequest(r.CPU))), fmt.Sprintf("%.2f", m.ratio(mode, rung)))
		}
		s.Rows = append(s.Rows, row)
	}
	s.Rows = append(s.Rows, verdicts)
	return s
}

func (m measured) ratio(mode mode, rung string) float64 {
	return ladderRatio(m.run.Results, mode, rung)
}

// ladderRatio is what a rung costs, to do-nothing with body.
func ladderRatio(results map[string]Result, mode mode, rung string) float64 {
	body, full := results[rungName(mode.name, ladder.WithBody)], results[rungName(mode.name, rung)]
	return float64(full.perRequest(full.CPU)) / float64(max(body.perRequest(body.CPU), 1))
}

func (m measured) verdict(mode mode) string {
	return Result{Target: mode.name, Met: m.ratio(mode, fullRung) <= mode.most}.verdict()
}

// compared is this run, the one before and the first.
func (m measured) compared() report.Section {
	s := report.Section{
		Title:  "Compared",
		Text:   "Ratios are to the run before and to the first one; below 1 is less.",
		Header: []string{"scenario", "p99, ms", "before", "ratio", "first", "ratio", "CPU per request, µs", "before", "ratio", "first", "ratio"},
		Left:   1,
	}
	for _, name := range m.names() {
		now, measured := m.run.Results[name]
		if !measured || now.Skipped != "" {
			continue
		}
		row := []string{name}
		for _, value := range []func(Result) float64{
			func(r Result) float64 { return milliseconds(r.Latencies.P99) },
			func(r Result) float64 { return microseconds(r.perRequest(r.CPU)) },
		} {
			row = append(row, fmt.Sprintf("%.1f", value(now)))
			for _, other := range []Result{m.before.Results[name], m.baseline.Results[name]} {
				if other.Requests == 0 {
					row = append(row, "–", "–")
					continue
				}
				row = append(row, fmt.Sprintf("%.1f", value(other)), report.Ratio(value(now), value(other)))
			}
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// names are those of all results, in order.
func (m measured) names() []string {
	var names []string
	for _, scenario := range m.lengths.scenarios() {
		names = append(names, scenario.name)
	}
	for _, mode := range m.lengths.modes() {
		for _, rung := range rungs() {
			names = append(names, rungName(mode.name, rung))
		}
	}
	return names
}

// history is how the receiver went from run to run.
func (l lengths) history(past report.Record[Result]) report.Section {
	s := report.Section{
		Title:  "Runs so far",
		Header: []string{"date", "commit", "machine", "load", "sustain p99, ms", "CPU per request, µs", "limit, /s", "quarter limit, /s"},
		Left:   3,
	}
	for _, mode := range l.modes() {
		s.Header = append(s.Header, "ratio "+mode.name)
	}
	for _, run := range past.Runs {
		sustain := run.Results[sustainName]
		row := []string{
			run.Date, run.Commit, fmt.Sprintf("%s, %d cores", run.Machine.CPU, run.Machine.Cores), fmt.Sprintf("%.1f", run.Load),
			inMilliseconds(sustain.Latencies.P99), fmt.Sprintf("%.0f", microseconds(sustain.perRequest(sustain.CPU))),
			strconv.Itoa(run.Results["limit"].Rate), strconv.Itoa(run.Results["quarter limit"].Rate),
		}
		for _, mode := range l.modes() {
			row = append(row, fmt.Sprintf("%.2f", ladderRatio(run.Results, mode, fullRung)))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func (m measured) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s\n%s\n", m.run.Circumstances(), m.run.Elsewhere(m.before))
	for _, section := range m.sections() {
		if len(section.Rows) > 0 {
			err = errors.Join(err, section.Print(out))
		}
	}
	return err
}

// keep writes the pages and their pictures.
func (m measured) keep(directory string, past report.Record[Result]) error {
	pictures, err := m.pictures()
	if err != nil {
		return err
	}
	for name, picture := range pictures {
		if err := report.Keep(filepath.Join(directory, "receiver", name), picture); err != nil {
			return err
		}
	}
	sections := append(m.sections(), m.lengths.history(past))
	return errors.Join(
		report.Keep(filepath.Join(directory, "receiver.md"), []byte(m.markdown(sections))),
		report.Keep(filepath.Join(directory, "receiver.html"), []byte(m.html(sections))),
	)
}

func (m measured) markdown(sections []report.Section) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nMeasured by `make bench`, which wrote this page.\n\n%s.\n\n%s\n", title, m.run.Circumstances(), how)
	if note := m.run.Elsewhere(m.before); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	for _, section := range sections {
		fmt.Fprintf(&b, "\n%s", section.Markdown())
	}
	return b.String()
}

const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;vertical-align:top}
th{text-align:left}
img{max-width:100%}
`

func (m measured) html(sections []report.Section) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n<style>\n%s</style>\n", title, style)
	fmt.Fprintf(&b, "<h1>%s</h1>\n<p>Measured by <code>make bench</code>, which wrote this page.</p>\n", title)
	for _, text := range []string{m.run.Circumstances() + ".", how, m.run.Elsewhere(m.before)} {
		if text != "" {
			fmt.Fprintf(&b, "<p>%s</p>\n", html.EscapeString(text))
		}
	}
	for _, section := range sections {
		b.WriteString(section.HTML())
	}
	b.WriteString("</html>\n")
	return b.String()
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func inMilliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", milliseconds(d)) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
