package budget

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	window      = time.Minute // in which Chargebee counts
	depth       = 2           // permits that a bucket holds at most
	minPause    = 10 * time.Second
	firstPermit = depth + 1 // a new bucket is empty
)

// Limits is what a process may use of a site.
type Limits struct {
	RequestsPerMinute int
	MaxConcurrent     int
	Jitter            time.Duration // from the wire to the arrival at Chargebee
}

// Pacer hands out permits for calls, in the order in which they were asked for. A
// waiter that gives up costs nothing. It is safe for concurrent use.
type Pacer struct {
	now      func() time.Time
	interval time.Duration // between permits
	slots    chan struct{} // simultaneous calls
	turn     chan struct{} // held by the waiter that is next

	mu      sync.Mutex
	next    time.Time     // when the bucket would be full but for one permit
	paused  time.Time     // no permit before it
	since   time.Time     // when the pause was last set
	changed chan struct{} // closed and replaced when a pause is set
	used    atomic.Uint64
}

// NewPacer returns a pacer with an empty bucket.
func NewPacer(now func() time.Time, limits Limits) *Pacer {
	perWindow := max(limits.RequestsPerMinute-depth, 1)
	interval := (window + pace.PermitLife + limits.Jitter) / time.Duration(perWindow)
	return &Pacer{
		now:      now,
		interval: interval,
		slots:    make(chan struct{}, limits.MaxConcurrent),
		turn:     make(chan struct{}, 1),
		next:     now().Add(firstPermit * interval),
		changed:  make(chan struct{}),
	}
}

// TryAcquire returns a permit if one is at hand and nobody waits for it, else nil.
func (p *Pacer) TryAcquire() *pace.Permit {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	default:
		return nil
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return nil
	}
	if permit, _, _ := p.take(); permit != nil {
		return permit
	}
	<-p.slots
	return nil
}

// Acquire waits for a permit until ctx ends.
func (p *Pacer) Acquire(ctx context.Context) (*pace.Permit, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		permit, wait, changed := p.take()
		if permit != nil {
			return permit, nil
		}
		if err := retry.Wait(ctx, wait, changed); err != nil {
			<-p.slots
			return nil, err
		}
	}
}

// take returns a permit, or how long to wait for one.
func (p *Pacer) take() (permit *pace.Permit, wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	free := p.next.Add(-depth * p.interval) // when the bucket has a whole permit again
	if p.paused.After(free) {
		free = p.paused
	}
	if wait := free.Sub(now); wait > 0 {
		return nil, wait, p.changed
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.interval)
	p.used.Add(1)
	return pace.NewPermit(now, func() { <-p.slots }), 0, nil
}

// Pause stops all calls for a while, at least 10 s. A refusal of a call that was
// under way when the last pause began says nothing new and is passed over.
func (p *Pacer) Pause(permit *pace.Permit, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if permit.Issued().Before(p.since) {
		return
	}
	p.since = p.now()
	until := p.since.Add(max(wait, minPause))
	if until.After(p.paused) {
		p.paused = until
	}
	// What would have been saved up meanwhile is not: the bucket is empty after it.
	p.next = p.paused.Add(depth * p.interval)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Wait returns when no pause stands, and that any number may go on then. Whoever has
// nothing to wait for yet, like a pool before it takes a message, asks here first.
func (p *Pacer) Wait(ctx context.Context) (most int, err error) {
	for {
		left, changed := p.pauseLeft()
		if left <= 0 {
			return math.MaxInt, nil
		}
		if err := retry.Wait(ctx, left, changed); err != nil {
			return 0, err
		}
	}
}

func (p *Pacer) pauseLeft() (time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused.Sub(p.now()), p.changed
}

// Paused tells whether a pause stands.
func (p *Pacer) Paused() bool {
	left, _ := p.pauseLeft()
	return left > 0
}

// Granted is the share of the process, in calls per minute.
func (p *Pacer) Granted() float64 { return float64(time.Minute) / float64(p.interval) }

// Used is how many permits were handed out.
func (p *Pacer) Used() uint64 { return p.used.Load() }
