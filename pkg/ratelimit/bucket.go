package ratelimit

import "time"

const (
	window   = time.Minute // Chargebee counts the calls of a minute
	minLimit = 5           // minimum of the limit in use, in calls per minute
	minBurst = 3           // minimum burst, in calls

	consumerReserve = 1 // number of calls that consumers leave in the bucket, for commands
)

// bucket is the bucket of the GCRA (see the package comment). Its fields are microseconds.
type bucket struct {
	interval int64 // T, the time from one call to the next: 1 / rate
	depth    int64 // burst · interval
}

// newBucket returns the bucket with which no 60 s have more calls than the limit:
//
//	burst + rate · (60 s + life + jitter) = limit in use = max(limit · scale, minLimit)
//
// jitter is the maximum time from the sending of a call to its arrival at Chargebee. scale is in thousandths.
func newBucket(limit int, scale int64, jitter time.Duration) bucket {
	inUse := max(int64(limit)*scale, minLimit*FullScale) // thousandths of calls, like burst and perSpan
	span, lifetime := (window + life + jitter).Microseconds(), life.Microseconds()
	burst := max(inUse*lifetime/(span+lifetime), minBurst*FullScale)       // the calls of one lifetime at the rate
	perSpan := inUse - burst                                               // rate · span
	interval := (span*FullScale + perSpan - 1) / perSpan                   // rounded up
	return bucket{interval: interval, depth: burst * interval / FullScale} //mutant:bucket-depth
}

// free returns the number of calls that can be granted now, if reserve calls stay in the bucket; below 0 if fewer
// than reserve are in it.
func (b bucket) free(tat, now, reserve int64) int {
	return int((now-max(tat, now-b.depth))/b.interval - reserve)
}

// Spent returns the part of the bucket that is used up, from 0 (full) to 1 (empty). limit is the configured limit,
// in calls per minute.
func (s State) Spent(limit int, jitter time.Duration, now time.Time) float64 {
	b := newBucket(limit, s.Scale, jitter)
	spent := s.TAT - (max(now.UnixMicro(), s.Clock) - b.depth)
	return float64(min(max(spent, 0), b.depth)) / float64(b.depth)
}

// grant returns the update that grants calls now, without RequestsPerMinute.
func (b bucket) grant(calls int, state State, now, reserve int64) Grant {
	from := now - b.depth
	return Grant{
		Idle: state.TAT < from, From: from, Until: now - reserve*b.interval,
		Cost: int64(calls) * b.interval, Clock: now, Scale: state.Scale,
	}
}

// untilNext returns the time until one call can be granted, if reserve calls stay in the bucket.
func (b bucket) untilNext(tat, now, reserve int64) time.Duration {
	return time.Duration(max(tat+(1+reserve)*b.interval-now, 0)) * time.Microsecond
}

// fleetClock is a process's estimate of the clock that all processes share (see the package comment).
type fleetClock struct {
	started time.Time
	offset  int64 // microseconds; never decreases
}

// at returns the fleet clock at now, in microseconds.
func (c fleetClock) at(now time.Time) int64 {
	return c.started.UnixMicro() + now.Sub(c.started).Microseconds() + c.offset
}

// follow sets the clock forward to other, the clock of another process, if other is ahead. other was read before now.
func (c *fleetClock) follow(other int64, now time.Time) {
	c.offset += max(other-c.at(now), 0)
}
