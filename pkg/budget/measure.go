package budget

import (
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

const (
	// headroom is how much more than its demand a process wants, in percent, so that it
	// can grow.
	headroom = 125

	// measured is the shortest time that says what a process uses.
	measured = renewEvery / 2
)

// measure reckons what a process could use from what it used lately.
type measure struct {
	at   time.Time
	used uint64
	rate int64 // thousandths of a call per second, between the last two measures
}

// next returns the rate and the simultaneous calls that the process could use; 0 is none.
func (m *measure) next(pacer *Pacer, now time.Time) (want, calls int64) {
	seen := pacer.demand()
	if passed := now.Sub(m.at); passed >= measured {
		m.rate = int64(seen.used-m.used) * whole / int64(passed)
		m.at, m.used = now, seen.used
	}
	switch {
	case seen.starved:
		return everything, seen.calls
	case m.rate == 0:
		return 0, seen.calls
	default:
		return max(m.rate*headroom/100, pace.ReadyWant+1), seen.calls
	}
}
