package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/billable-events/billable/scripts/bench/report"
	"github.com/billable-events/billable/scripts/cli"
)

// stopLimit is how long a scenario may take to stop its consumers when it is told to.
const stopLimit = 10 * time.Second

// consumerOptions is how consumers are measured.
type consumerOptions struct {
	quick    bool
	profile  string
	binaries string
	reports  string
}

func parseConsumer(args []string, std streams) (consumerOptions, error) {
	var o consumerOptions
	flags := flag.NewFlagSet("consumer", flag.ContinueOnError)
	flags.SetOutput(std.err)
	flags.BoolVar(&o.quick, "quick", false, "an answer within a minute, which is not recorded")
	flags.StringVar(&o.profile, "profile", "", "directory in which to keep profiles of the main scenario")
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of the binaries")
	flags.StringVar(&o.reports, "reports", "bench", "directory of the record and the report")
	switch err := cli.Parse(flags, args); {
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		return o, cli.Usagef("bench", std.err, "unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// benchConsumer measures consumers, prints what came out, and records it.
func benchConsumer(ctx context.Context, args []string, std streams) error {
	o, err := parseConsumer(args, std)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("the run was not finished within %s", runLimit))
	defer cancel()
	recordFile := filepath.Join(o.reports, "consumer.json")
	past, err := report.Read[result](recordFile)
	if err != nil {
		return err
	}
	m, err := o.measure(ctx, std.err)
	if err != nil {
		return err
	}
	m.before, m.baseline = past.Last(), past.First()
	sections, err := m.sections()
	if err != nil {
		return err
	}
	if !o.quick {
		past = past.With(m.run)
		sections = append(sections, history(past))
	}
	if err := m.print(std.out, sections); err != nil {
		return err
	}
	if !o.quick {
		if err := errors.Join(past.Write(recordFile), report.Keep(filepath.Join(o.reports, "consumer.md"), []byte(m.page(sections)))); err != nil {
			return err
		}
	}
	return o.explain(ctx, std.out, m.run.Results[mainName])
}

// measure runs all scenarios.
func (o consumerOptions) measure(ctx context.Context, progress io.Writer) (measured, error) {
	run, err := report.NewRun[result](ctx)
	if err != nil {
		return measured{}, err
	}
	m := measured{questions: questions(), run: run}
	runs := mainRuns
	if o.quick {
		runs = 1
	}
	for range runs {
		result, err := o.isolated(ctx, mainScenario(), progress)
		if err != nil {
			return m, err
		}
		m.runs = append(m.runs, result)
	}
	m.run.Results[mainName] = median(m.runs)
	for _, question := range m.questions {
		for _, row := range question.rows {
			name := row.scenario.Name
			if _, done := m.run.Results[name]; done {
				continue
			}
			if m.run.Results[name], err = o.isolated(ctx, row.scenario, progress); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

// median is the result in the middle by CPU.
func median(results []result) result {
	sorted := slices.SortedFunc(slices.Values(results), func(a, b result) int { return cmp.Compare(a.CPU, b.CPU) })
	return sorted[len(sorted)/2]
}

// isolated runs a scenario in a process of its own.
func (o consumerOptions) isolated(ctx context.Context, s scenario, progress io.Writer) (result, error) {
	var r result
	s.Binaries = o.binaries
	if o.quick {
		s = s.quickly()
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	input, err := json.Marshal(s)
	if err != nil {
		return r, err
	}
	command := exec.CommandContext(ctx, self, scenarioCommand) //nolint:gosec // it is this program
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopLimit
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return r, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	if err := json.Unmarshal(output, &r); err != nil {
		return r, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	_, _ = fmt.Fprintf(progress, "%-28s %5d invoices  %7.1f invoices/s  %7.2f ms CPU per invoice\n", s.Name, r.Invoices, r.perSecond(), milliseconds(r.cpuPerInvoice()))
	return r, nil
}

// profiled is the part of the main scenario that its CPU profile covers.
const profiled = 0.8

// explain runs the main scenario once more, with profiles, and prints where its CPU
// time went.
func (o consumerOptions) explain(ctx context.Context, out io.Writer, usual result) error {
	if o.profile == "" {
		return nil
	}
	s := mainScenario()
	s.Profile, s.Sample = o.profile, time.Duration(profiled*float64(usual.Took))
	if _, err := o.isolated(ctx, s, io.Discard); err != nil {
		return err
	}
	return top(ctx, out, o.profile)
}

func (m measured) print(out io.Writer, sections []report.Section) error {
	_, err := fmt.Fprintf(out, "%s\n%s\n", m.run.Circumstances(), m.run.Elsewhere(m.before))
	for _, section := range sections {
		err = errors.Join(err, section.Print(out))
	}
	return err
}
