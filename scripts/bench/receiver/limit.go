package receiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/billable-events/billable/scripts/bench/cgroup"
	"github.com/billable-events/billable/scripts/bench/load"
)

const (
	limitFirst = 1000
	limitLeast = 50
	limitMost  = 20_000

	quarterRate = 1500
	quarterAim  = 2000

	// keptUp is how late the generator's own requests may be until it is the generator
	// that cannot go on.
	keptUp = 50 * time.Millisecond
	// tries are how often a rate is probed before it counts as too high: what else the
	// machine had to do must not decide.
	tries = 2
	// confirmations are how many rates, each a little lower, are tried for longer.
	confirmations = 6
)

// errSkipped ends a search that cannot be made.
var errSkipped = errors.New("skipped")

// probes are loads of one rate, each on a bed of its own: none inherits the backlog of
// the one before, nor its messages.
type probes struct {
	ctx      context.Context
	binaries string
	limits   *cgroup.Limits
	progress io.Writer
}

// hold loads a receiver with a rate for some time, and with half of it before: how many
// it takes is not about how it starts.
func (p probes) hold(l lengths, rate int, length time.Duration) (Result, error) {
	held := func(r Result) bool {
		return r.OK == r.Requests && r.Latencies.P99 <= quarterP99 && r.Lateness <= keptUp
	}
	probe := l.steady(fmt.Sprintf("probe, %d/s", rate), p.limits, rate, length, quarterP99, held)
	probe.tooMuch = true
	measure := probe.run
	probe.run = func(b *bed) (Result, []load.Answer, error) {
		warmUp := load.Plan{Shape: load.Open, Rate: max(rate/2, 1), Length: warmUp}
		if result, answers, err := b.besiege(b.receiver, warmUp); err != nil {
			return result, answers, err
		}
		return measure(b)
	}
	result, _, err := probe.execute(p.ctx, p.binaries, p.progress)
	result.Rate = rate
	return result, err
}

// limit looks for the highest rate with short probes, then holds it for longer, a
// little lower if need be. A result without a rate says that none was held.
func (l lengths) limit(p probes) (Result, error) {
	var skipped, wrong string // of any probe
	hold := func(rate int, length time.Duration) (Result, error) {
		result, err := p.hold(l, rate, length)
		skipped, wrong = cmp.Or(skipped, result.Skipped), cmp.Or(wrong, result.Wrong)
		if err == nil && skipped != "" {
			err = errSkipped
		}
		return result, err
	}
	found, err := search{
		first: limitFirst, least: limitLeast, most: limitMost, precision: l.precision,
		holds: func(rate int) (bool, error) {
			for range tries {
				if result, err := hold(rate, l.probe); err != nil || result.Met {
					return result.Met, err
				}
			}
			return false, nil
		},
	}.run()
	for try := 0; err == nil && found > 0 && try < confirmations; try++ {
		var result Result
		if result, err = hold(found, l.confirm); err == nil && result.Met {
			result.Wrong = wrong
			return result, nil
		}
		found = rounded(int(float64(found) * (1 - l.precision)))
	}
	if errors.Is(err, errSkipped) {
		err = nil
	}
	return Result{Skipped: skipped, Wrong: wrong}, err
}
