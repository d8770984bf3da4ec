package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/cli"
)

// TestMain lets the test's binary be the process of a scenario, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == scenarioCommand {
		main()
		return
	}
	os.Exit(m.Run())
}

func build(t *testing.T) (binaries string) {
	t.Helper()
	binaries = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binaries, "./cmd/consumer")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binaries
}

func small() scenario {
	s := mainScenario()
	s.Name, s.Consumers, s.Invoices, s.Events = "small", 2, 24, 10
	return s
}

// TestScenario measures the real binary, in a process of its own as in every run.
func TestScenario(t *testing.T) {
	o := consumerOptions{binaries: build(t)}
	s := small()
	s.Profile, s.Sample = filepath.Join(t.TempDir(), "profile"), time.Second
	var progress bytes.Buffer
	got, err := o.isolated(t.Context(), s, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if got.Invoices != 24 || got.Events != 240 || got.Lines != 72 || got.callsOf("Chargebee") != 72+24+24 {
		t.Errorf("got %+v", got)
	}
	if got.Took <= 0 || got.Took > s.Limit || got.CPU <= 0 || got.StandInCPU <= 0 || got.PeakMemory < 1<<20 || got.Connections < 2 {
		t.Errorf("got %+v", got)
	}
	if polls, deletes := got.Calls["SQS ReceiveMessage"], got.Calls["SQS DeleteMessageBatch"]; polls < 3 || deletes < 3 || deletes > 24 {
		t.Errorf("24 messages came with %d receives and went with %d deletes", polls, deletes)
	}
	if got.callsOf("DynamoDB") < 24*4 {
		t.Errorf("got %+v", got.Calls)
	}
	if !strings.HasPrefix(progress.String(), "small ") {
		t.Errorf("the progress says %q", progress.String())
	}
	var out bytes.Buffer
	if err := top(t.Context(), &out, s.Profile); err != nil || !strings.Contains(out.String(), "flat%") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestScenarioFails says why there are no numbers.
func TestScenarioFails(t *testing.T) {
	binaries := build(t)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, test := range map[string]struct {
		ctx    context.Context
		change func(*scenario)
		want   string
	}{
		"out of time":   {t.Context(), func(s *scenario) { s.Limit = time.Nanosecond }, "of 24 invoices were finished within 1ns"},
		"not built":     {t.Context(), func(s *scenario) { s.Binaries = t.TempDir() }, "is it built?"},
		"no consumer":   {t.Context(), func(s *scenario) { s.Concurrency = 0 }, "ended at once"},
		"was cancelled": {stopped, func(*scenario) {}, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			s := small()
			s.Binaries = binaries
			test.change(&s)
			if _, err := s.run(test.ctx); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"everything"}, {"consumer", "--bogus"}, {"consumer", "now"}} {
		var complaint bytes.Buffer
		if err := run(t.Context(), args, streams{out: io.Discard, err: &complaint}); !errors.Is(err, cli.ErrUsage) || complaint.Len() == 0 {
			t.Errorf("%q: %v %s", args, err, complaint.String())
		}
	}
}

// TestScenariosAreTellable: results are recorded by name.
func TestScenariosAreTellable(t *testing.T) {
	t.Parallel()
	named := map[string]scenario{mainName: mainScenario()}
	for _, question := range questions() {
		for _, row := range question.rows {
			s := row.scenario
			if other, known := named[s.Name]; known && other != s {
				t.Errorf("%+v and %+v have one name", s, other)
			}
			named[s.Name] = s
			if len(row.values) != len(question.grows) {
				t.Errorf("%s: %q for the columns %q", s.Name, row.values, question.grows)
			}
			if quick := s.quickly(); quick.Invoices >= s.Invoices || quick.Invoices < 2*s.Consumers {
				t.Errorf("%s: quickly it has %d of %d invoices", s.Name, quick.Invoices, s.Invoices)
			}
		}
	}
}
