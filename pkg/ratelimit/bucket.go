package ratelimit

import "time"

const (
	window   = time.Minute // in which Chargebee counts
	minCalls = 5           // per minute: the limit in use is never lower
	minBurst = 3           // calls

	consumerReserve = 1 // calls in the bucket that consumers leave to commands
)

// bucket is the rate at which calls are granted, and how far grants may fall behind it in
// order to catch up later. Microseconds.
type bucket struct {
	interval int64 // from one call to the next: 1 / rate
	depth    int64 // burst · interval
}

// newBucket returns the bucket of which no 60 s see more calls than the limit, if a call
// takes no longer than life from the start of its update to the wire, and no longer than
// jitter from there to Chargebee: burst + rate · (60 s + life + jitter) = limit.
func newBucket(limit int, scale int64, jitter time.Duration) bucket {
	calls := max(int64(limit)*scale, minCalls*FullScale) // thousandths
	span := (window + life + jitter).Microseconds()
	burst := max(calls*life.Microseconds()/(span+life.Microseconds()), minBurst*FullScale)
	rate := calls - burst // thousandths in span
	interval := (span*FullScale + rate - 1) / rate
	return bucket{interval: interval, depth: burst * interval / FullScale} //mutant:bucket-depth
}

// free returns how many calls can be granted now.
func (b bucket) free(tat, now, reserve int64) int {
	return int((now-max(tat, now-b.depth))/b.interval - reserve)
}

// Spent returns the share of the burst that was granted and has not been regained, from 0 to 1. At 1, calls
// wait. limit is the configured one, in calls per minute.
func (s State) Spent(limit int, jitter time.Duration, now time.Time) float64 {
	b := newBucket(limit, s.Scale, jitter)
	spent := s.TAT - (max(now.UnixMicro(), s.Clock) - b.depth)
	return float64(min(max(spent, 0), b.depth)) / float64(b.depth)
}

// grant returns the update that grants calls now. It lacks RequestsPerMinute.
func (b bucket) grant(calls int, state State, now, reserve int64) Grant {
	from := now - b.depth
	return Grant{
		Idle: state.TAT < from, From: from, Until: now - reserve*b.interval,
		Cost: int64(calls) * b.interval, Clock: now, Scale: state.Scale,
	}
}

// untilNext returns the time until one call can be granted.
func (b bucket) untilNext(tat, now, reserve int64) time.Duration {
	return time.Duration(max(tat+(1+reserve)*b.interval-now, 0)) * time.Microsecond
}

// fleetClock is a process's estimate of the clock that all processes share. It starts as the
// wall clock, runs as the monotonic clock, and is only ever set forward. Microseconds.
type fleetClock struct {
	started time.Time
	offset  int64
}

func (c fleetClock) at(now time.Time) int64 {
	return c.started.UnixMicro() + now.Sub(c.started).Microseconds() + c.offset
}

// follow sets the clock forward to that of another process, which was read before now.
func (c *fleetClock) follow(other int64, now time.Time) {
	c.offset += max(other-c.at(now), 0)
}
