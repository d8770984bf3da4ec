package settlement

import "time"

// stopwatch tells how long ago a line was first sent, by wall and by monotonic
// clock: one of them may stand still or be set while the process runs.
type stopwatch struct {
	sent   time.Time     // wall clock
	from   time.Time     // with monotonic reading
	before time.Duration // what had passed at from
}

// startedAt returns the stopwatch of a line that is sent now, by this handling.
func startedAt(now time.Time) stopwatch {
	return stopwatch{sent: time.Unix(now.Unix(), 0), from: now}
}

// takenOver returns the stopwatch of a line that the ledger says was first sent at
// a unix second.
func resumedAt(sent int64, now time.Time) stopwatch {
	wall := time.Unix(sent, 0)
	return stopwatch{sent: wall, from: now, before: now.Round(0).Sub(wall)}
}

// elapsed is the longer of what the two clocks say.
func (s stopwatch) elapsed(now time.Time) time.Duration {
	return max(now.Round(0).Sub(s.sent), s.before+now.Sub(s.from))
}
