package settlement

import "time"

// stopwatch measures the time since a line was first sent, by the wall clock and the monotonic clock. The
// wall clock may be set, and the monotonic clock may stop while the machine sleeps.
type stopwatch struct {
	sent    time.Time     // when the line was first sent, by the wall clock
	started time.Time     // when this session started the stopwatch, with monotonic reading
	before  time.Duration // from sent to started, by the wall clock
}

// startStopwatch returns the stopwatch of a line that this session sends now.
func startStopwatch(now time.Time) stopwatch {
	return stopwatch{sent: time.Unix(now.Unix(), 0), started: now}
}

// resumeStopwatch returns the stopwatch of a line that was first sent at the given unix second.
func resumeStopwatch(sent int64, now time.Time) stopwatch {
	sentAt := time.Unix(sent, 0)
	return stopwatch{sent: sentAt, started: now, before: now.Round(0).Sub(sentAt)}
}

// elapsed returns the larger of the times by both clocks.
func (s stopwatch) elapsed(now time.Time) time.Duration {
	return max(now.Round(0).Sub(s.sent), s.before+now.Sub(s.started))
}
