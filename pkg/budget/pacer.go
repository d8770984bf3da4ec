package budget

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/retry"
)

// whole is one permit in the unit of a bucket's level: thousandths of a call per
// second, times nanoseconds.
const whole = 1000 * int64(time.Second)

// Grant is what a process may do until its lease ends.
type Grant struct {
	Rate  int64     // thousandths of a call per second
	Slots int64     // simultaneous calls
	Until time.Time // with monotonic clock reading: it ends by whichever clock says so first

	// Member says that the process may have a rate if it asks for one.
	Member bool
}

// Pacer hands out permits for calls, in the order in which they were asked for and as
// its grant allows. A waiter that gives up costs nothing. It is safe for concurrent use.
type Pacer struct {
	now  func() time.Time
	want func()        // called when somebody waits for more than is granted
	turn chan struct{} // held by the waiter that is next

	mu      sync.Mutex
	grant   Grant
	level   int64     // of the bucket
	filled  time.Time // when level was reckoned
	calls   int64     // under way
	peak    int64     // most calls under way or waiting since the last demand
	waiting int64
	starved bool       // a permit was asked for and not at hand since the last demand
	used    uint64     // permits
	paused  time.Time  // no permit before it
	held    *pace.Hold // no permit until it is taken back: an operator says so
	since   time.Time  // when the last pause began
	changed chan struct{}
}

// NewPacer returns a pacer that has no grant yet. want, which may be nil, is called
// when somebody waits although it has none.
func NewPacer(now func() time.Time, want func()) *Pacer {
	if want == nil {
		want = func() {}
	}
	return &Pacer{now: now, want: want, turn: make(chan struct{}, 1), filled: now(), changed: make(chan struct{})}
}

// TryAcquire returns a permit if one is at hand and nobody waits for it, else nil.
func (p *Pacer) TryAcquire() *pace.Permit {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	default:
		return nil
	}
	permit, _, _ := p.take()
	return permit
}

// Acquire waits for a permit until ctx ends.
func (p *Pacer) Acquire(ctx context.Context) (*pace.Permit, error) {
	p.wait(1)
	defer p.wait(-1)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		permit, wait, changed := p.take()
		if permit != nil {
			return permit, nil
		}
		if err := retry.Wait(ctx, wait, changed); err != nil {
			return nil, err
		}
	}
}

func (p *Pacer) wait(more int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting += more
	p.peak = max(p.peak, p.calls+p.waiting)
}

// take returns a permit, or how long to wait for one if nothing changes.
func (p *Pacer) take() (permit *pace.Permit, wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.fill(now)
	switch {
	case p.held != nil, p.ended(now), p.grant.Rate == 0, p.calls >= p.grant.Slots:
		wait = math.MaxInt64
	case p.paused.After(now):
		wait = p.paused.Sub(now)
	case p.level < whole:
		wait = time.Duration(ceilDiv(whole-p.level, p.grant.Rate))
	default:
		p.level -= whole
		p.calls++
		p.peak = max(p.peak, p.calls)
		p.used++
		return pace.NewPermit(now, p.release), 0, nil
	}
	if p.grant.Rate == 0 && !p.starved { // once for each renewal
		p.want()
	}
	p.starved = true
	return nil, wait, p.changed
}

// fill lets permits into the bucket for the time that has passed.
func (p *Pacer) fill(now time.Time) {
	passed := now.Sub(p.filled)
	p.filled = now
	if passed <= 0 || p.grant.Rate == 0 {
		return
	}
	if int64(passed) > depth*whole/p.grant.Rate {
		p.level = depth * whole
		return
	}
	p.level = min(p.level+p.grant.Rate*int64(passed), depth*whole)
}

// ended tells whether the lease is over, by the clock that says so first.
func (p *Pacer) ended(now time.Time) bool {
	return !now.Before(p.grant.Until) || !now.Round(0).Before(p.grant.Until.Round(0))
}

func (p *Pacer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	p.wake()
}

// wake has those who wait look again.
func (p *Pacer) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Grant replaces what the process may do.
func (p *Pacer) Grant(grant Grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(p.now())
	p.grant = grant
	p.wake()
}

// empty takes all permits out of the bucket: it is another's from now on.
func (p *Pacer) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level, p.filled = 0, p.now()
}

// granted is what the process may do.
func (p *Pacer) granted() Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grant
}

// flying is how many calls are under way.
func (p *Pacer) flying() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// demand is what the process asked for since the last demand.
type demand struct {
	starved bool   // it could have called more often
	used    uint64 // permits in all
	calls   int64  // the most that it made or would have made at the same time
}

func (p *Pacer) demand() demand {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := demand{starved: p.starved, used: p.used, calls: p.peak}
	p.starved = p.waiting > 0
	p.peak = p.calls + p.waiting
	return now
}

// refused takes note that Chargebee refused the call of a permit for the site's limit.
// It tells whether that is news: a call that left before the last pause was seen is
// none. The pause begins at once.
func (p *Pacer) refused(permit *pace.Permit, wait time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if permit.Issued().Before(p.since) {
		return false
	}
	p.pauseFor(wait)
	return true
}

// Pause stops all calls of this process for a while, because Chargebee refused one. A
// call that left before the last pause was seen says nothing new.
func (p *Pacer) Pause(permit *pace.Permit, wait time.Duration) {
	p.refused(permit, max(wait, minPause))
}

// pause begins a pause that another process was told of.
func (p *Pacer) pause(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pauseFor(wait)
}

func (p *Pacer) pauseFor(wait time.Duration) {
	p.since = p.now()
	if until := p.since.Add(wait); until.After(p.paused) {
		p.paused = until
	}
	p.wake()
}

// hold stops all calls, or lets them go on if there is none.
func (p *Pacer) hold(hold *pace.Hold) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (p.held == nil) != (hold == nil) {
		p.wake()
	}
	p.held = hold
}

// Held is an operator's pause, as far as the process knows of it; nil if there is none.
func (p *Pacer) Held() *pace.Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// closed returns why no call can be made now whoever asks, for how long that is sure,
// and what ends it earlier.
func (p *Pacer) closed() (wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	switch {
	case p.held != nil, p.ended(now), !p.grant.Member:
		return math.MaxInt64, p.changed
	default:
		return p.paused.Sub(now), p.changed
	}
}

// Granted is the share of the process, in calls per minute.
func (p *Pacer) Granted() float64 { return pace.PerMinute(p.granted().Rate) }

// Used is how many permits were handed out.
func (p *Pacer) Used() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Paused tells whether a pause stands.
func (p *Pacer) Paused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held != nil || p.paused.After(p.now())
}
