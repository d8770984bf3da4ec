package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"
)

const (
	burstRate    = 500
	sustainRate  = 200
	manyConns    = 1000
	p99Limit     = 50 * time.Millisecond
	slowP99Limit = 100 * time.Millisecond // with a quarter of a core, and of the limit
	recovery     = 2 * time.Second
	recoveredMax = 100 * time.Millisecond // latency of a recovered receiver
	maxMemory    = 256 << 20

	cpuPerRequest = "CPU per request, µs"
	limitRate     = "limit, requests/s"
)

// quarterCPU is the part of a machine that a receiver has in production.
var quarterCPU = &limits{cpu: 0.25, memory: maxMemory}

const receiverIntroduction = `The receiver is the real binary; the fake of SQS, which adds 15 ms to each call, and the load generator are two further
processes. All share the cores of this machine, over loopback. Webhooks have 5,686 bytes and an event each. Loads per second are open
(vegeta): a request leaves when it is due, however slow the receiver is, and latency counts from when it was due, so that no delay of the
generator or of the receiver is left out. CPU is from /proc/PID/stat, user and system; memory is the peak (VmHWM). quarter_cpu is a control
group of 0.25 CPU and 256 MiB. Every scenario starts the receiver again, requests /livez each second with a timeout of 1 s, and at the end
checks that every event answered 200 is in the queue once; of outages and floods, at least once.`

func newReceiverReport() *report {
	return &report{
		name: "receiver", title: "What a receiver takes and costs", target: "bench", introduction: receiverIntroduction,
		history: []historyColumn{
			{"sustain p99, ms", "sustain", "p99, ms", "%.1f"},
			{"CPU per request, µs", "sustain", cpuPerRequest, "%.0f"},
			{"limit, /s", "limit", limitRate, "%.0f"},
			{"quarter_cpu_limit, /s", "quarter_cpu_limit", limitRate, "%.0f"},
			{"ratio saturated", "saturated: " + fullReceiver, "ratio", "%.2f"},
			{"ratio at 2,000/s", "at 2,000/s: " + fullReceiver, "ratio", "%.2f"},
		},
	}
}

// receiverScenario is a load on a receiver with a target.
type receiverScenario struct {
	name, description, target string

	limits   *limits // nil is the whole machine
	load     load
	overload bool // requests may be unanswered, and messages sent twice

	// Of an outage: the times before, of refused calls and of slow calls.
	before, refuse, slow time.Duration

	met func(f figures) bool
}

func receiverScenarios(o options) []receiverScenario {
	quick := func(quick, full time.Duration) time.Duration {
		if o.quick {
			return quick
		}
		return full
	}
	burst, sustain, floodSize := quick(3*time.Second, 5*time.Second), quick(5*time.Second, 4*time.Minute), 10_000
	if o.quick {
		floodSize = 2000
	}
	return []receiverScenario{
		steady("burst", nil, burstRate, burst, p99Limit),
		steady("sustain", nil, sustainRate, sustain, p99Limit),
		atOnce("many_conns", nil, time.Second),
		steady("quarter_cpu_burst", quarterCPU, burstRate, burst, slowP99Limit),
		steady("quarter_cpu_sustain", quarterCPU, sustainRate, sustain, slowP99Limit),
		atOnce("quarter_cpu_many_conns", quarterCPU, 3*time.Second),
		flood("flood", floodSize, "", paddedWebhook),
		flood("flood_lines", floodSize, ", each with 500,000 lines", linesWebhook),
		outageScenario(quick(2*time.Second, 15*time.Second), quick(3*time.Second, 10*time.Second), quick(5*time.Second, 25*time.Second)),
	}
}

// steady is an open load of a constant rate.
func steady(name string, limits *limits, rate int, length, p99 time.Duration) receiverScenario {
	return receiverScenario{
		name: name, limits: limits, load: load{Rate: rate, Length: length, Kind: usualWebhook},
		description: fmt.Sprintf("%d/s for %s", rate, length),
		target:      fmt.Sprintf("100 %% 200, p99 ≤ %s", p99),
		met:         func(f figures) bool { return f["200, %"] == 100 && f["p99, ms"] <= milliseconds(p99) },
	}
}

// atOnce is as many webhooks as Chargebee may send at the same time, each over a new connection.
func atOnce(name string, limits *limits, slowest time.Duration) receiverScenario {
	return receiverScenario{
		name: name, limits: limits, load: load{Clients: manyConns, Kind: usualWebhook},
		description: fmt.Sprintf("%d at one instant", manyConns),
		target:      fmt.Sprintf("100 %% 200 within %s", slowest),
		met:         func(f figures) bool { return f["200, %"] == 100 && f["max, ms"] <= milliseconds(slowest) },
	}
}

// flood is ten times as many large webhooks as may be in flight.
func flood(name string, size int, what, kind string) receiverScenario {
	return receiverScenario{
		name: name, limits: &limits{cpu: float64(runtime.NumCPU()), memory: maxMemory}, overload: true, load: load{Clients: size, Kind: kind},
		description: fmt.Sprintf("%d of 1 MB at one instant%s", size, what),
		target:      "never killed, ≤ 256 MB",
		met:         func(f figures) bool { return f["200, %"] > 0 && f["peak, MB"] <= maxMemory>>20 },
	}
}

// outageScenario is a queue that first refuses calls, then is slow, then recovers.
func outageScenario(before, disturbed, after time.Duration) receiverScenario {
	length := before + 2*disturbed + after
	return receiverScenario{
		name: "outage", load: load{Rate: sustainRate, Length: length, Kind: usualWebhook},
		before: before, refuse: disturbed, slow: disturbed,
		description: fmt.Sprintf("%d/s for %s; SQS refuses for %[3]s, then is slow for %[3]s", sustainRate, length, disturbed),
		target:      fmt.Sprintf("full speed within %s, ≤ %d MB", recovery, maxMemory>>20),
		met: func(f figures) bool {
			recovered, ok := f["recovered after, s"]
			return ok && recovered <= recovery.Seconds() && f["peak, MB"] <= maxMemory>>20
		},
	}
}

// measure runs a scenario in an env of its own.
func (s receiverScenario) measure(ctx context.Context, o options) (f figures, err error) {
	e, err := newEnv(ctx, o.binaries, s.limits)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if s.refuse > 0 {
		e.queue.outage.Store(newOutage(s.before, s.refuse, s.slow))
	}
	a, f, err := e.runReceiver(ctx, s.load)
	if err != nil {
		return nil, err
	}
	if s.refuse > 0 {
		if recovered := a.recoveredAfter(s.before + s.refuse + s.slow); recovered >= 0 {
			f["recovered after, s"] = recovered.Seconds()
		}
	}
	if f["unanswered"] > 0 && !s.overload {
		return nil, fmt.Errorf("%.0f requests were not answered", f["unanswered"])
	}
	return f, e.finish(s.overload || s.refuse > 0)
}

// recoveredAfter returns the time between the end of an outage and the last request that was not answered
// 200 in time, 0 without such a request. It returns -1 if no request was due after that.
func (a answers) recoveredAfter(end time.Duration) time.Duration {
	if len(a.Results) == 0 {
		return -1
	}
	lastBad, ended := time.Duration(0), a.Results[0].Timestamp.Add(end)
	for _, result := range a.Results {
		if result.Code != http.StatusOK || result.Latency > recoveredMax {
			lastBad = max(lastBad, result.Timestamp.Sub(ended))
		}
	}
	if last := a.Results[len(a.Results)-1].Timestamp; last.Sub(ended) <= lastBad {
		return -1
	}
	return lastBad
}

// benchReceiver measures the receiver. It returns an error if something is wrong, not if a target is
// missed.
func benchReceiver(ctx context.Context, o options, r *report) error {
	scenarios := scenariosSection()
	r.sections = append(r.sections, scenarios)
	for _, s := range receiverScenarios(o) {
		if !o.wants(s.name) {
			continue
		}
		f, err := s.measure(ctx, o)
		r.addEvaluated(scenarios, s.name, []string{s.description, s.target}, f, err, s.met)
	}
	for _, s := range limitScenarios {
		if o.wants(s.name) {
			s.measure(ctx, o, r, scenarios)
		}
	}
	if o.wants("baselines") {
		length, rounds := 5*time.Second, 3
		if o.quick {
			length, rounds = time.Second, 1
		}
		r.fail("baselines", compareBaselines(ctx, o, r, rounds,
			loadMode{"saturated", load{Clients: 512, Length: length, Kind: usualWebhook}, 2.5},
			loadMode{"at 2,000/s", load{Rate: 2000, Length: length, Kind: usualWebhook}, 1.8}))
	}
	return context.Cause(ctx)
}

func scenariosSection() *section {
	return &section{
		title:  "Scenarios",
		text:   "CPU per request is the receiver's. Late is how late the generator's own requests left, p99.",
		labels: []string{"scenario", "load", "target", "result"},
		columns: []column{
			{limitRate, "%.0f"},
			{"requests", "%.0f"},
			{"200, %", "%.2f"},
			{"p50, ms", "%.1f"},
			{"p95, ms", "%.1f"},
			{"p99, ms", "%.1f"},
			{"max, ms", "%.1f"},
			{cpuPerRequest, "%.0f"},
			{"peak, MB", "%.0f"},
			{"messages per call", "%.1f"},
			{"late, ms", "%.1f"},
			{"recovered after, s", "%.1f"},
		},
	}
}

// addEvaluated adds a scenario with its result in words. A scenario that this machine cannot run is skipped.
func (r *report) addEvaluated(s *section, name string, labels []string, f figures, err error, met func(figures) bool) {
	verdict := "missed"
	skipped, isSkipped := errors.AsType[*skippedError](err)
	switch {
	case isSkipped:
		verdict = "skipped: " + skipped.Error()
	case err != nil:
		verdict = "WRONG: " + err.Error()
		r.fail(name, err)
	case met == nil:
		verdict = "–"
	case met(f):
		verdict = "met"
	}
	r.add(s, name, slices.Concat([]string{name}, labels, []string{verdict}), f)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
