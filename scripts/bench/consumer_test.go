package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/testbed/programs"
)

func small() ConsumerScenario {
	s := mainScenario()
	s.Name, s.Consumers, s.Invoices, s.Events = "small", 2, 24, 10
	return s
}

// TestConsumerScenario measures a real consumer.
func TestConsumerScenario(t *testing.T) {
	var progress bytes.Buffer
	o := options{binaries: programs.Directory(t), progress: &progress}
	s := small()
	s.Profile, s.Sample = filepath.Join(t.TempDir(), "profile"), time.Second
	got, err := o.runScenario(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got.Invoices != 24 || got.Events != 240 || got.Lines != 72 || got.callsOf("Chargebee") != 72+24+24 {
		t.Errorf("got %+v", got)
	}
	if got.Took <= 0 || got.Took > s.Timeout || got.CPU <= 0 || got.FakesCPU <= 0 || got.PeakMemory < 1<<20 || got.Connections < 2 {
		t.Errorf("got %+v", got)
	}
	if polls, deletes := got.Calls["SQS ReceiveMessage"], got.Calls["SQS DeleteMessageBatch"]; polls < 3 || deletes < 3 || deletes > 24 {
		t.Errorf("24 messages came with %d receives and went with %d deletes", polls, deletes)
	}
	if got.callsOf("DynamoDB") < 24*4 {
		t.Errorf("got %+v", got.Calls)
	}
	if !strings.HasPrefix(progress.String(), "small ") {
		t.Errorf("the progress is %q", progress.String())
	}
	var out bytes.Buffer
	if err := printProfile(t.Context(), &out, s.Profile); err != nil || !strings.Contains(out.String(), "flat%") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestConsumerScenario_Fails(t *testing.T) {
	binaries := programs.Directory(t)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, test := range map[string]struct {
		ctx    context.Context
		change func(*ConsumerScenario)
		want   string
	}{
		"out of time":   {t.Context(), func(s *ConsumerScenario) { s.Timeout = time.Nanosecond }, "of 24 invoices were finished within 1ns"},
		"not built":     {t.Context(), func(s *ConsumerScenario) { s.Binaries = t.TempDir() }, "is it built?"},
		"no consumer":   {t.Context(), func(s *ConsumerScenario) { s.Concurrency = 0 }, "exited before it was ready"},
		"was cancelled": {stopped, func(*ConsumerScenario) {}, "context canceled"},
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

// TestComparisons_HaveNames checks the names by which results are recorded.
func TestComparisons_HaveNames(t *testing.T) {
	t.Parallel()
	named := map[string]ConsumerScenario{mainName: mainScenario()}
	for _, comparison := range comparisons() {
		for _, s := range comparison.scenarios {
			if other, known := named[s.Name]; known && other != s {
				t.Errorf("%+v and %+v have the same name", s, other)
			}
			named[s.Name] = s
			if cells := comparison.cells(s); len(cells) != len(comparison.columns) {
				t.Errorf("%s: %q for the columns %q", s.Name, cells, comparison.columns)
			}
			if quick := s.quick(); quick.Invoices >= s.Invoices || quick.Invoices < 2*s.Consumers {
				t.Errorf("%s: a quick run has %d of %d invoices", s.Name, quick.Invoices, s.Invoices)
			}
		}
	}
}
