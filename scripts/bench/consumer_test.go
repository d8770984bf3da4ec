package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/testbed/programs"
)

func smallScenario() consumerScenario {
	return consumerScenario{name: "small", consumers: 2, concurrency: 10, invoices: 24, events: 10, lines: 3}
}

// TestConsumerScenario measures real consumers.
func TestConsumerScenario(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile")
	got, err := smallScenario().run(t.Context(), programs.Directory(t), profile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		figure           string
		minimum, maximum float64
	}{
		{"invoices", 24, 24},
		{"invoices/s", 0.2, 1e5},
		{cpuPerInvoice, 0.01, 1e4},
		{"peak, MB", 1, 1e4},
		{"Chargebee calls", 5, 5},
		{"Chargebee add_charge", 3, 3},
		{"DynamoDB calls", 4, 100},
		{"SQS DeleteMessageBatch", 0.1, 1},
	} {
		if got[c.figure] < c.minimum || got[c.figure] > c.maximum {
			t.Errorf("%s: got %f, want %f to %f", c.figure, got[c.figure], c.minimum, c.maximum)
		}
	}
	if profiles, err := filepath.Glob(filepath.Join(profile, "*.pb.gz")); err != nil || len(profiles) != 2 {
		t.Errorf("the profiles are %q, %v", profiles, err)
	}
}

func TestConsumerScenario_Fails(t *testing.T) {
	binaries := programs.Directory(t)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	idle := smallScenario()
	idle.concurrency = 0
	for name, test := range map[string]struct {
		ctx      context.Context
		scenario consumerScenario
		binaries string
		want     string
	}{
		"not built":     {t.Context(), smallScenario(), t.TempDir(), "is it built?"},
		"no consumer":   {t.Context(), idle, binaries, "exited before it was ready"},
		"was cancelled": {stopped, smallScenario(), binaries, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := test.scenario.run(test.ctx, test.binaries, ""); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestConsumerScenarios_HaveNames checks the names by which results are recorded.
func TestConsumerScenarios_HaveNames(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, s := range consumerScenarios {
		if named[s.name] {
			t.Errorf("two scenarios have the name %s", s.name)
		}
		named[s.name] = true
		if quick := s.quick(); quick.invoices >= s.invoices || quick.invoices < 2*s.consumers {
			t.Errorf("%s: a quick run has %d of %d invoices", s.name, quick.invoices, s.invoices)
		}
	}
}

func TestConsumerScenario_CheckCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines int
		call  string
		want  string
	}{
		"as it should be":     {3, "", ""},
		"a line twice":        {3, "Chargebee add_charge", "300 lines were added with 301 calls"},
		"an invoice twice":    {3, "Chargebee close", "100 invoices closed with 101"},
		"a read too many":     {3, "Chargebee GET", "101 further calls to Chargebee, want 100"},
		"reads of many lines": {100, "Chargebee GET", ""},
	} {
		calls := map[string]int{"Chargebee add_charge": 300, "Chargebee close": 100, "Chargebee GET": 100, "SQS ReceiveMessage": 10}
		if test.call != "" {
			calls[test.call]++
		}
		err := consumerScenario{invoices: 100, lines: test.lines}.checkCalls(calls, 300)
		if got := fmt.Sprint(err); (err != nil) != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
