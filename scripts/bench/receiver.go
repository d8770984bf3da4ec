package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

// receiverTimeout is the time limit of a run, which takes a quarter of an hour.
const receiverTimeout = 30 * time.Minute

// receiverScenario is a load on a receiver with a target.
type receiverScenario struct {
	name     string
	load     string // for the report
	target   string
	limits   *limits // nil is the whole machine
	met      func(ReceiverResult) bool
	overload bool // unanswered requests and explained duplicates are allowed

	run    func(*env) (ReceiverResult, []Answer, error)
	search func(probe) (ReceiverResult, error) // instead of run: many runs, each with its own env
}

// durations are the lengths of the parts of a run.
type durations struct {
	burst, sustain, quarterSustain time.Duration
	probe, confirm                 time.Duration
	precision                      float64 // of the limit
	before, refuse, slow, after    time.Duration
	baseline                       time.Duration // one load of one baseline
	rounds                         int           // of all baselines
}

var (
	fullDurations = durations{
		burst: 5 * time.Second, sustain: 4 * time.Minute, quarterSustain: 4 * time.Minute,
		probe: 6 * time.Second, confirm: 30 * time.Second, precision: 0.05,
		before: 15 * time.Second, refuse: 10 * time.Second, slow: 10 * time.Second, after: 25 * time.Second,
		baseline: 5 * time.Second, rounds: 3,
	}
	quickDurations = durations{
		burst: 3 * time.Second, sustain: 20 * time.Second, quarterSustain: 5 * time.Second,
		probe: 2 * time.Second, confirm: 3 * time.Second, precision: 0.3,
		before: 2 * time.Second, refuse: 3 * time.Second, slow: 3 * time.Second, after: 5 * time.Second,
		baseline: time.Second, rounds: 1,
	}
)

const (
	burstRate    = 500
	sustainRate  = 200
	manyConns    = 1000
	floodSize    = 10_000
	quarterRate  = 1500 // target of the limit with a quarter of a core
	warmUp       = time.Second
	p99Limit     = 50 * time.Millisecond
	slowP99Limit = 100 * time.Millisecond // with a quarter of a core, and of the limit
	recovery     = 2 * time.Second
	recoveredMax = 100 * time.Millisecond // latency of a recovered receiver
	maxMemory    = 256 << 20

	sustainName, outageName, limitName, quarterPrefix = "sustain", "outage", "limit", "quarter_cpu_"
)

// quarterCPU is the part of a machine that a receiver has in production.
var quarterCPU = limits{cpu: 0.25, memory: maxMemory}

func (d durations) scenarios() []receiverScenario {
	var all []receiverScenario
	for _, set := range []struct {
		prefix       string
		limits       *limits
		sustain      time.Duration
		p99, slowest time.Duration // slowest of many_conns
	}{
		{"", nil, d.sustain, p99Limit, time.Second},
		{quarterPrefix, &quarterCPU, d.quarterSustain, slowP99Limit, 3 * time.Second},
	} {
		all = append(all,
			steady(set.prefix+"burst", set.limits, burstRate, d.burst, set.p99),
			steady(set.prefix+sustainName, set.limits, sustainRate, set.sustain, set.p99),
			receiverScenario{
				name: set.prefix + "many_conns", limits: set.limits,
				load:   fmt.Sprintf("%d at one instant", manyConns),
				target: fmt.Sprintf("100 %% 200 within %s", set.slowest),
				run: func(e *env) (ReceiverResult, []Answer, error) {
					return e.attackReceiver(Plan{Connections: manyConns})
				},
				met: func(r ReceiverResult) bool { return r.OK == r.Requests && r.Latencies.Max <= set.slowest },
			})
	}
	limit := receiverScenario{
		name: limitName, search: d.findLimit,
		load: fmt.Sprintf("the highest rate held for %s at 100 %% 200 and p99 ≤ %s", d.confirm, slowP99Limit),
	}
	quarterLimit := limit
	quarterLimit.name, quarterLimit.limits = quarterPrefix+limitName, &quarterCPU
	quarterLimit.target = fmt.Sprintf("≥ %d/s, goal 2000/s", quarterRate)
	quarterLimit.met = func(r ReceiverResult) bool { return r.Rate >= quarterRate }
	return append(all, limit, quarterLimit, flood("flood", "", paddedBody), flood("flood_lines", ", each with 500,000 lines", linesBody), d.outage())
}

// flood is ten times as many large webhooks as may be in flight.
func flood(name, what string, body bodyKind) receiverScenario {
	return receiverScenario{
		name: name, limits: &limits{memory: maxMemory}, overload: true,
		load:   fmt.Sprintf("%d of 1 MB at one instant%s", floodSize, what),
		target: "never killed, ≤ 256 MB",
		run: func(e *env) (ReceiverResult, []Answer, error) {
			return e.attackReceiver(Plan{Connections: floodSize, Body: body})
		},
		met: func(r ReceiverResult) bool { return r.OK > 0 && r.PeakMemory <= maxMemory },
	}
}

// steady is an open load of a constant rate.
func steady(name string, limits *limits, rate int, length, p99 time.Duration) receiverScenario {
	return receiverScenario{
		name: name, limits: limits,
		load:   fmt.Sprintf("%d/s for %s", rate, length),
		target: fmt.Sprintf("100 %% 200, p99 ≤ %s", p99),
		run: func(e *env) (ReceiverResult, []Answer, error) {
			return e.attackReceiver(Plan{Rate: rate, Length: length})
		},
		met: func(r ReceiverResult) bool { return r.OK == r.Requests && r.Latencies.P99 <= p99 },
	}
}

// outage is a queue that first refuses calls, then is slow, then recovers.
func (d durations) outage() receiverScenario {
	total := d.before + d.refuse + d.slow + d.after
	return receiverScenario{
		name:   outageName,
		load:   fmt.Sprintf("%d/s for %s; SQS refuses for %s, then is slow for %s", sustainRate, total, d.refuse, d.slow),
		target: fmt.Sprintf("full speed within %s, ≤ %d MB", recovery, maxMemory>>20),
		run: func(e *env) (ReceiverResult, []Answer, error) {
			ctx, cancel := context.WithCancel(e.ctx)
			changed := make(chan error, 1)
			go func() { changed <- d.disturb(ctx, e) }()
			result, answers, err := e.attackReceiver(Plan{Rate: sustainRate, Length: total})
			cancel() // already over, unless the attack failed
			result.Recovered = recoveredAfter(answers, d.before+d.refuse+d.slow, recoveredMax)
			return result, answers, errors.Join(err, <-changed)
		},
		met: func(r ReceiverResult) bool {
			return r.Recovered >= 0 && r.Recovered <= recovery && r.PeakMemory <= maxMemory
		},
	}
}

func (d durations) disturb(ctx context.Context, e *env) error {
	for _, step := range []struct {
		after time.Duration
		mode  QueueMode
	}{{d.before, queueRefuses}, {d.refuse, queueSlow}, {d.slow, queueNormal}} {
		if err := sleep(ctx, step.after); err != nil {
			return err
		}
		if err := e.queue.call("SetMode", step.mode, new(int)); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// execute runs a scenario in an env of its own.
func (s receiverScenario) execute(ctx context.Context, o options) (result ReceiverResult, answers []Answer, err error) {
	if s.search != nil {
		result, err = s.search(probe{ctx, o, s.limits})
	} else {
		result, answers, err = s.measure(ctx, o.binaries)
	}
	if err != nil {
		return ReceiverResult{}, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	result.Target = s.target
	result.Met = s.met != nil && result.Skipped == "" && s.met(result)
	_, _ = fmt.Fprintf(o.progress, "%-22s %6d requests, %6d 200, %d unanswered, p99 %s, %s\n",
		s.name, result.Requests, result.OK, result.Unanswered, result.Latencies.P99.Round(time.Millisecond/10), result.verdict())
	return result, answers, nil
}

func (s receiverScenario) measure(ctx context.Context, binaries string) (result ReceiverResult, answers []Answer, err error) {
	e, err := newEnv(ctx, binaries, s.limits)
	if skipped, ok := errors.AsType[*skippedError](err); ok {
		return ReceiverResult{Skipped: skipped.Error()}, nil, nil
	}
	if err != nil {
		return result, nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if result, answers, err = s.run(e); err != nil {
		return result, nil, err
	}
	if !s.overload {
		result.failUnanswered()
	}
	return result, answers, e.finish(&result, s.overload)
}

// The search for the highest rate that a receiver holds.
const (
	rateStep = 10
	minRate  = 50
	maxRate  = 20_000
	// maxLateness of the generator's own requests: above it, the generator is the bottleneck.
	maxLateness = 50 * time.Millisecond
	// probeTries of a rate, so that other work on the machine does not decide.
	probeTries    = 2
	confirmations = 6 // of rates, each a little lower
)

var errSkipped = errors.New("skipped")

// probe loads receivers with one rate, each in an env of its own: none inherits a backlog.
type probe struct {
	ctx    context.Context
	o      options
	limits *limits
}

// hold loads a receiver with half of a rate for a second, and then with the rate.
func (p probe) hold(rate int, length time.Duration) (ReceiverResult, error) {
	s := steady(fmt.Sprintf("probe, %d/s", rate), p.limits, rate, length, slowP99Limit)
	s.overload = true
	run, met := s.run, s.met
	s.run = func(e *env) (ReceiverResult, []Answer, error) {
		if result, answers, err := e.attackReceiver(Plan{Rate: max(rate/2, 1), Length: warmUp}); err != nil {
			return result, answers, err
		}
		return run(e)
	}
	s.met = func(r ReceiverResult) bool { return met(r) && r.Lateness <= maxLateness }
	result, _, err := s.execute(p.ctx, p.o)
	result.Rate = rate
	return result, err
}

// findLimit searches the highest rate with short probes, and confirms it, or a little lower one, with
// a long load. A result without a rate means that no rate was held.
func (d durations) findLimit(p probe) (ReceiverResult, error) {
	var skipped, wrong string // of any probe
	hold := func(rate int, length time.Duration) (ReceiverResult, error) {
		result, err := p.hold(rate, length)
		skipped, wrong = cmp.Or(skipped, result.Skipped), cmp.Or(wrong, result.Wrong)
		if err == nil && skipped != "" {
			err = errSkipped
		}
		return result, err
	}
	rate, err := searchRate(d.precision, func(rate int) (bool, error) {
		for range probeTries {
			if result, err := hold(rate, d.probe); err != nil || result.Met {
				return result.Met, err
			}
		}
		return false, nil
	})
	for try := 0; err == nil && rate > 0 && try < confirmations; try++ {
		var result ReceiverResult
		if result, err = hold(rate, d.confirm); err == nil && result.Met {
			result.Wrong = wrong
			return result, nil
		}
		rate = roundRate(float64(rate) * (1 - d.precision))
	}
	if errors.Is(err, errSkipped) {
		err = nil
	}
	return ReceiverResult{Skipped: skipped, Wrong: wrong}, err
}

// searchRate returns the highest rate that holds, between minRate and maxRate, or 0. It halves the
// interval on a logarithmic scale until it is as narrow as the precision, a part of the rate.
func searchRate(precision float64, holds func(rate int) (bool, error)) (int, error) {
	low, high := 0, maxRate+rateStep // low holds, high does not
	for float64(high-low) > precision*float64(low) {
		rate := roundRate(math.Sqrt(float64(max(low, minRate)) * float64(high)))
		if rate >= high {
			rate = minRate
		}
		if rate <= low || rate >= high {
			break
		}
		held, err := holds(rate)
		if err != nil {
			return low, err
		}
		if held {
			low = rate
		} else {
			high = rate
		}
	}
	return low, nil
}

func roundRate(rate float64) int { return int(math.Round(rate/rateStep)) * rateStep }

// loadMode is a load of baselines, with the CPU that the receiver may use compared with readBody.
type loadMode struct {
	name          string
	plan          Plan
	maximum, goal float64
}

const fullReceiver = "the full receiver"

var comparedServers = append(slices.Clone(baselines), fullReceiver)

func (d durations) modes() []loadMode {
	return []loadMode{
		{"saturated", Plan{Connections: 512, Length: d.baseline, MaxRequests: 500_000}, 2.5, 2.0},
		{"at 2,000/s", Plan{Rate: 2000, Length: d.baseline}, 1.8, 1.5},
	}
}

func baselineName(mode, server string) string { return "baseline, " + mode + ": " + server }

// compareBaselines loads all baselines and the receiver in turn, several times, so that other work on
// the machine affects all of them. It adds up the results of each.
func (d durations) compareBaselines(ctx context.Context, o options, results map[string]ReceiverResult) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("baselines: %w", err)
		}
	}()
	e, err := newEnv(ctx, o.binaries, nil)
	if err != nil {
		return err
	}
	servers := map[string]*server{fullReceiver: e.receiver}
	defer func() {
		for _, name := range baselines {
			if servers[name] != nil {
				servers[name].kill()
			}
		}
		err = errors.Join(err, e.close())
	}()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range baselines {
		command := testbed.Command{Binary: self, Args: []string{baselineCommand, name}, Env: e.environ}
		if servers[name], err = startServer(ctx, command, nil); err != nil {
			return err
		}
	}
	for _, mode := range d.modes() {
		for round := range d.rounds + 1 {
			plan := mode.plan
			if round == 0 {
				plan.Length = warmUp
			}
			for _, name := range comparedServers {
				result, err := e.attackCompared(servers[name], name, plan)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", mode.name, name, err)
				}
				if key := baselineName(mode.name, name); round > 0 {
					results[key] = results[key].plus(result)
				}
			}
		}
		for _, name := range comparedServers {
			key := baselineName(mode.name, name)
			r := results[key]
			r.failUnanswered()
			results[key] = r
			_, _ = fmt.Fprintf(o.progress, "baseline, %-10s %-28s %7d requests, %.1f µs of CPU each\n", mode.name, name, r.Requests, microseconds(r.perRequest()))
		}
	}
	name := baselineName(d.modes()[0].name, fullReceiver)
	result := results[name]
	err = e.finish(&result, false)
	results[name] = result
	return err
}

// benchReceiver measures the receiver. It returns an error if something is wrong, not if a target is
// missed.
func benchReceiver(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, receiverTimeout, fmt.Errorf("the run did not finish within %s", receiverTimeout))
	defer cancel()
	file := filepath.Join(o.reports, "receiver.json")
	past, err := readRecord[ReceiverResult](file)
	if err != nil {
		return err
	}
	r := receiverReport{durations: fullDurations, answers: map[string][]Answer{}}
	r.before, r.baseline = past.compareWith()
	if o.quick {
		r.durations = quickDurations
	}
	if r.run, err = newRun[ReceiverResult](ctx); err != nil {
		return err
	}
	err = r.measure(ctx, o)
	if err := errors.Join(err, printSections(o.out, r.sections(), r.run.describe(), r.run.warning(r.before))); err != nil {
		return err
	}
	if !o.quick && o.only == "" {
		past = past.with(r.run)
		if err := errors.Join(past.write(file), r.write(o.reports, past)); err != nil {
			return err
		}
	}
	return wrongResults(r.run.Results)
}

func (r receiverReport) measure(ctx context.Context, o options) error {
	for _, scenario := range r.durations.scenarios() {
		if !o.wants(scenario.name) {
			continue
		}
		result, answers, err := scenario.execute(ctx, o)
		if err != nil {
			return err
		}
		r.run.Results[scenario.name], r.answers[scenario.name] = result, answers
	}
	if !o.wants("baselines") {
		return nil
	}
	return r.durations.compareBaselines(ctx, o, r.run.Results)
}

func wrongResults(results map[string]ReceiverResult) error {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(results)) {
		if results[name].Wrong != "" {
			wrong = append(wrong, name+": "+results[name].Wrong)
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}
