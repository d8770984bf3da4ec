package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"
)

// The search for the highest rate that a receiver holds.
const (
	minRate = 50
	maxRate = 20_000
	warmUp  = time.Second
	// maxLateness of the generator's own requests: above it, the generator is the bottleneck.
	maxLateness = 50 * time.Millisecond
	// probeTries of a rate, so that other work on the machine does not decide.
	probeTries    = 2
	confirmations = 6 // of rates, each a little lower
)

// limitScenario searches the highest rate with short probes, and confirms it, or a little lower one, with
// a long load.
type limitScenario struct {
	name   string
	limits *limits
	goal   float64
}

var limitScenarios = []limitScenario{{name: "limit"}, {name: "quarter_cpu_limit", limits: quarterCPU, goal: 1500}}

func (s limitScenario) measure(ctx context.Context, o options, r *report, table *section) {
	probe, confirm, precision := 6*time.Second, 30*time.Second, 0.05
	if o.quick {
		probe, confirm, precision = 2*time.Second, 3*time.Second, 0.3
	}
	f, err := findLimit(rates(precision), func(rate int, long bool) (figures, bool, error) {
		length := probe
		if long {
			length = confirm
		}
		f, held, err := s.hold(ctx, o, rate, length)
		_, _ = fmt.Fprintf(r.progress, "%s: %d/s for %s, held: %t\n", s.name, rate, length, held)
		return f, held, err
	})
	load, target := fmt.Sprintf("the highest rate held for %s at 100 %% 200 and p99 ≤ %s", confirm, slowP99Limit), "–"
	var met func(figures) bool
	if s.goal > 0 {
		target, met = fmt.Sprintf("≥ %.0f/s", s.goal), func(f figures) bool { return f[limitRate] >= s.goal }
	}
	r.addEvaluated(table, s.name, []string{load, target}, f, err, met)
}

// rates returns the rates that are tried. Each is greater than the one before by the precision.
func rates(precision float64) (all []int) {
	for rate := float64(minRate); rate <= maxRate; rate *= 1 + precision {
		all = append(all, int(math.Round(rate/10))*10)
	}
	return all
}

// findLimit returns the figures of the highest rate that is held for long. Without one it returns 0 for
// the rate only.
func findLimit(rates []int, hold func(rate int, long bool) (figures, bool, error)) (figures, error) {
	var failed error
	holds := func(rate int) bool {
		for range probeTries {
			_, held, err := hold(rate, false)
			if held || err != nil {
				failed = err
				return held
			}
		}
		return false
	}
	tooHigh := sort.Search(len(rates), func(i int) bool { return failed != nil || !holds(rates[i]) })
	if failed != nil {
		return nil, failed
	}
	for i := tooHigh - 1; i >= max(tooHigh-confirmations, 0); i-- {
		f, held, err := hold(rates[i], true)
		if held || err != nil {
			return f, err
		}
	}
	return figures{limitRate: 0}, nil
}

// hold loads a receiver with half of a rate for a second, and then with the rate. It reports whether the
// receiver held the rate. Each load has an env of its own: none inherits a backlog.
func (s limitScenario) hold(ctx context.Context, o options, rate int, length time.Duration) (f figures, held bool, err error) {
	e, err := newEnv(ctx, o.binaries, s.limits)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if _, _, err := e.runReceiver(ctx, load{Rate: max(rate/2, 1), Length: warmUp, Kind: usualWebhook}); err != nil {
		return nil, false, err
	}
	target := steady(s.name, s.limits, rate, length, slowP99Limit)
	_, f, err = e.runReceiver(ctx, target.load)
	if err != nil {
		return nil, false, err
	}
	f[limitRate] = float64(rate)
	return f, target.met(f) && f["late, ms"] <= milliseconds(maxLateness), e.finish(true)
}
