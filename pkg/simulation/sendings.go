package simulation

import (
	"slices"
	"sync"
	"time"
)

// sendings are the times at which consumers sent calls to Chargebee. The limit holds there as
// well as where calls arrive, which may be later than the jitter that the rate limiter allows
// for: the simulated network delays calls more than that.
type sendings struct {
	mu    sync.Mutex
	times []time.Time
}

func (s *sendings) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
}

// most is the most calls that were sent within any 60 seconds, and when these began.
func (s *sendings) most() (most int, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.times, time.Time.Compare)
	first := 0
	for last, at := range s.times {
		for at.Sub(s.times[first]) >= time.Minute {
			first++
		}
		if count := last - first + 1; count > most {
			most, began = count, s.times[first]
		}
	}
	return most, began
}
