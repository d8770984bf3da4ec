package ratelimit

import (
	"errors"
	"testing"
	"time"
)

// TestNewBucket checks the window argument for all limits and scales: what a bucket grants
// within window, life and jitter never exceeds the limit.
func TestNewBucket(t *testing.T) {
	t.Parallel()
	for _, jitter := range []time.Duration{0, time.Second, 5 * time.Second} {
		span := (window + life + jitter).Microseconds()
		for limit := 10; limit <= 3500; limit += 1 + limit/20 {
			for scale := int64(minScale); scale <= FullScale; scale += 20 {
				b := newBucket(limit, scale, jitter)
				allowed := max(int64(limit)*scale, minLimit*FullScale)
				if most := (span + b.depth) * FullScale / b.interval; most > allowed {
					t.Fatalf("%d a minute, scale %d, jitter %s: %d thousandths of calls within 60 s, want at most %d", limit, scale, jitter, most, allowed)
				}
				if b.depth < minBurst*b.interval-minBurst || b.depth < (life-jitter/10).Microseconds()*9/10 {
					t.Fatalf("%d a minute, scale %d: depth %d, interval %d", limit, scale, b.depth, b.interval)
				}
			}
		}
	}
}

func TestState_Spent(t *testing.T) {
	t.Parallel()
	const limit = 3500
	now := time.Unix(1_800_000_000, 0)
	b := newBucket(limit, FullScale, time.Second)
	for name, test := range map[string]struct {
		state State
		want  float64
	}{
		"no grant yet":             {State{}, 0},
		"idle":                     {State{TAT: now.Add(-time.Minute).UnixMicro()}, 0},
		"partly spent":             {State{TAT: now.UnixMicro() - b.depth/2}, 0.5},
		"spent":                    {State{TAT: now.UnixMicro()}, 1},
		"by a clock that is ahead": {State{TAT: now.UnixMicro() + 2*b.depth - b.depth/4, Clock: now.UnixMicro() + 2*b.depth}, 0.75},
		"beyond the burst":         {State{TAT: now.UnixMicro() + b.depth}, 1},
	} {
		test.state.Scale = FullScale
		if got := test.state.Spent(limit, time.Second, now); got < test.want-0.001 || got > test.want+0.001 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestBucket_Free(t *testing.T) {
	t.Parallel()
	b := bucket{interval: 100, depth: 350}
	for _, test := range []struct {
		name              string
		tat, now, reserve int64
		want              int
		untilNext         time.Duration
	}{
		{name: "no grant yet", tat: 0, now: 10_000, want: 3},
		{name: "idle", tat: 9_000, now: 10_000, want: 3},
		{name: "idle, for consumers", tat: 9_000, now: 10_000, reserve: 1, want: 2},
		{name: "partly used", tat: 9_799, now: 10_000, want: 2},
		{name: "one left, for consumers", tat: 9_850, now: 10_000, reserve: 1, want: 0, untilNext: 50 * time.Microsecond},
		{name: "empty", tat: 9_901, now: 10_000, want: 0, untilNext: time.Microsecond},
		{name: "granted by a clock that is ahead", tat: 10_500, now: 10_000, want: -5, untilNext: 600 * time.Microsecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := b.free(test.tat, test.now, test.reserve); got != test.want {
				t.Errorf("free: got %d, want %d", got, test.want)
			}
			if got := b.untilNext(test.tat, test.now, test.reserve); got != test.untilNext {
				t.Errorf("untilNext: got %s, want %s", got, test.untilNext)
			}
		})
	}
}

func TestFleetClock_Follow(t *testing.T) {
	t.Parallel()
	began := time.UnixMicro(1_000_000)
	clock := fleetClock{started: began}
	now := began.Add(5 * time.Microsecond)
	for _, step := range []struct{ other, want int64 }{
		{other: 0, want: 1_000_005},
		{other: 1_000_004, want: 1_000_005}, // behind
		{other: 1_000_100, want: 1_000_100},
		{other: 1_000_050, want: 1_000_100}, // it is never set back
	} {
		clock.follow(step.other, now)
		if got := clock.at(now); got != step.want {
			t.Errorf("after following %d: got %d, want %d", step.other, got, step.want)
		}
	}
	if got := clock.at(now.Add(time.Millisecond)); got != 1_001_100 {
		t.Errorf("a millisecond later: got %d", got)
	}
}

func TestPermit_Spend(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	permit := func(started time.Time) *Permit { return &Permit{now: clock, started: started} }
	wallOnly := now.Round(0) // without a monotonic reading
	for _, test := range []struct {
		name   string
		permit *Permit
		want   error
	}{
		{name: "just granted", permit: permit(now)},
		{name: "at the end of its life", permit: permit(now.Add(-life))},
		{name: "after the end of its life", permit: permit(now.Add(-life - 1)), want: ErrExpired},
		{name: "after the end of its life by the wall clock", permit: permit(wallOnly.Add(-life - 1)), want: ErrExpired},
		{name: "made by no limiter", permit: &Permit{}, want: ErrExpired},
	} {
		if got := test.permit.Spend(); !errors.Is(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if got := test.permit.Spend(); !errors.Is(got, ErrExpired) {
			t.Errorf("%s, again: got %v", test.name, got)
		}
	}
}
