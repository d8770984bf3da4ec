package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/billable-events/billable/scripts/bench/cgroup"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/standin"
)

// scenario is one load on a receiver, and what is to reach.
type scenario struct {
	name   string
	what   string
	target string
	limits *cgroup.Limits // nil: the whole machine
	met    func(Result) bool

	tooMuch bool // it may be more than a receiver can answer at all

	run    func(*bed) (Result, []load.Answer, error)
	search func(probes) (Result, error) // instead of run: the scenario is many, each on a bed of its own
}

// lengths are how long the parts of a run are.
type lengths struct {
	burst, sustain, quarterSustain time.Duration
	probe, confirm                 time.Duration
	precision                      float64 // of the limit
	before, refuse, slow, after    time.Duration
	stint                          time.Duration // on one rung of the ladder
	rounds                         int           // of the ladder
}

var (
	fullLengths = lengths{
		burst: 5 * time.Second, sustain: 4 * time.Minute, quarterSustain: 4 * time.Minute,
		probe: 6 * time.Second, confirm: 30 * time.Second, precision: 0.05,
		before: 15 * time.Second, refuse: 10 * time.Second, slow: 10 * time.Second, after: 25 * time.Second,
		stint: 5 * time.Second, rounds: 3,
	}
	quickLengths = lengths{
		burst: 3 * time.Second, sustain: 20 * time.Second, quarterSustain: 5 * time.Second,
		probe: 2 * time.Second, confirm: 3 * time.Second, precision: 0.3,
		before: 2 * time.Second, refuse: 3 * time.Second, slow: 3 * time.Second, after: 5 * time.Second,
		stint: time.Second, rounds: 1,
	}
)

const (
	burstRate   = 500
	sustainRate = 200
	crowdSize   = 1000

	freeP99    = 50 * time.Millisecond
	quarterP99 = 100 * time.Millisecond

	freeCrowd    = time.Second
	quarterCrowd = 3 * time.Second
)

// Names of scenarios by which others are compared or drawn.
const (
	sustainName = "sustain"
	outageName  = "outage"
)

// loads are the scenarios of a given load, free and in the quarter.
func (l lengths) loads() []scenario {
	set := func(prefix string, limits *cgroup.Limits, sustain, p99, crowd time.Duration) []scenario {
		inTime := func(r Result) bool { return r.OK == r.Requests && r.Latencies.P99 <= p99 }
		return []scenario{
			l.steady(prefix+"burst", limits, burstRate, l.burst, p99, inTime),
			l.steady(prefix+sustainName, limits, sustainRate, sustain, p99, inTime),
			{
				name: prefix + "crowd", limits: limits,
				what:   fmt.Sprintf("%d at one instant", crowdSize),
				target: fmt.Sprintf("100 %% 200 within %s", crowd),
				run: func(b *bed) (Result, []load.Answer, error) {
					return b.besiege(b.receiver, load.Plan{Shape: load.Crowd, Connections: crowdSize})
				},
				met: func(r Result) bool { return r.OK == r.Requests && r.Latencies.Max <= crowd },
			},
		}
	}
	return append(set("", nil, l.sustain, freeP99, freeCrowd), set("quarter ", &quarter, l.quarterSustain, quarterP99, quarterCrowd)...)
}

func (l lengths) steady(name string, limits *cgroup.Limits, rate int, length, p99 time.Duration, met func(Result) bool) scenario {
	return scenario{
		name: name, limits: limits, met: met,
		what:   fmt.Sprintf("%d/s for %s", rate, length),
		target: fmt.Sprintf("100 %% 200, p99 ≤ %s", p99),
		run: func(b *bed) (Result, []load.Answer, error) {
			return b.besiege(b.receiver, load.Plan{Shape: load.Open, Rate: rate, Length: length})
		},
	}
}

const floodSize = 10_000

// flood is far more than a receiver takes, in bytes too.
func (l lengths) flood() scenario {
	return scenario{
		name: "flood", limits: &cgroup.Limits{Memory: quarter.Memory}, tooMuch: true,
		what:   fmt.Sprintf("%d of 1 MB at one instant", floodSize),
		target: "never killed, ≤ 256 MB",
		run: func(b *bed) (Result, []load.Answer, error) {
			return b.besiege(b.receiver, load.Plan{Shape: load.Crowd, Connections: floodSize, Padded: true})
		},
		met: func(r Result) bool { return r.OK > 0 && r.PeakMemory <= quarter.Memory },
	}
}

const (
	recoverWithin = 2 * time.Second
	fullSpeed     = 100 * time.Millisecond // for every answer
	outageMemory  = 256 << 20              // bytes
)

// outage is a queue that refuses, then is slow, then is well again.
func (l lengths) outage() scenario {
	total := l.before + l.refuse + l.slow + l.after
	return scenario{
		name:   outageName,
		what:   fmt.Sprintf("%d/s for %s; SQS refuses for %s, then is slow for %s", sustainRate, total, l.refuse, l.slow),
		target: fmt.Sprintf("full speed within %s, ≤ %d MB", recoverWithin, outageMemory>>20),
		run: func(b *bed) (Result, []load.Answer, error) {
			ctx, cancel := context.WithCancel(b.ctx)
			ordered := make(chan error, 1)
			go func() { ordered <- l.disturb(ctx, b) }()
			result, answers, err := b.besiege(b.receiver, load.Plan{Shape: load.Open, Rate: sustainRate, Length: total})
			cancel() // the disturbance is long over, unless the attack failed
			result.Recovered = recovered(answers, l.before+l.refuse+l.slow, fullSpeed)
			return result, answers, errors.Join(err, <-ordered)
		},
		met: func(r Result) bool {
			return r.Recovered >= 0 && r.Recovered <= recoverWithin && r.PeakMemory <= outageMemory
		},
	}
}

// disturb has the queue misbehave for the times that it should.
func (l lengths) disturb(ctx context.Context, b *bed) error {
	for _, step := range []struct {
		after time.Duration
		order standin.Order
	}{{l.before, standin.Refuse}, {l.refuse, standin.Slow}, {l.slow, standin.Normal}} {
		select {
		case <-time.After(step.after):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := b.order(step.order); err != nil {
			return err
		}
	}
	return nil
}

// limits are the search for the highest rate, free and in the quarter.
func (l lengths) limits() []scenario {
	set := func(name string, limits *cgroup.Limits, target string, met func(Result) bool) scenario {
		return scenario{
			name: name, limits: limits, target: target, met: met,
			what:   fmt.Sprintf("the highest rate held for %s at 100 %% 200 and p99 ≤ %s", l.confirm, quarterP99),
			search: l.limit,
		}
	}
	return []scenario{
		set("limit", nil, "", nil),
		set("quarter limit", &quarter, fmt.Sprintf("≥ %d/s, aim %d/s", quarterRate, quarterAim), func(r Result) bool { return r.Rate >= quarterRate }),
	}
}

// execute runs a scenario on a bed of its own.
func (s scenario) execute(ctx context.Context, binaries string, progress io.Writer) (result Result, answers []load.Answer, err error) {
	defer func() {
		if err == nil {
			_, _ = fmt.Fprintf(progress, "%-16s %6d requests, %6d 200, %d unanswered, p99 %s, %s\n",
				s.name, result.Requests, result.OK, result.Unanswered, result.Latencies.P99.Round(time.Millisecond/10), result.verdict())
		}
	}()
	if s.search != nil {
		result, err = s.search(probes{ctx: ctx, binaries: binaries, limits: s.limits, progress: progress})
		return s.judge(result), nil, err
	}
	b, err := newBed(ctx, binaries, s.limits)
	if skipped, ok := errors.AsType[*skippedError](err); ok {
		return s.judge(Result{Skipped: skipped.Error()}), nil, nil
	}
	if err != nil {
		return Result{}, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, b.close()) }()
	result, answers, err = s.run(b)
	if err == nil {
		err = b.settle(&result, s.tooMuch)
	}
	if result.Unanswered > 0 && !s.tooMuch {
		result.fail(fmt.Errorf("%d requests were not answered", result.Unanswered))
	}
	if err != nil {
		return Result{}, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s.judge(result), answers, nil
}

// judge says whether the target is met.
func (s scenario) judge(result Result) Result {
	result.Target = s.target
	result.Met = s.met != nil && result.Skipped == "" && s.met(result)
	return result
}
