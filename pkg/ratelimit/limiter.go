package ratelimit

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

const (
	askInterval     = 450 * time.Millisecond // between grants while callers wait for more calls than the bucket has
	commandInterval = 100 * time.Millisecond // askInterval of a command
	readInterval    = time.Second            // maximum time between accesses to the store
	accessTimeout   = 5 * time.Second        // of reads, and of writes of the control
	failureDelay    = 250 * time.Millisecond // after an error, and between writes of the control
	checkInterval   = 100 * time.Millisecond // between checks of Wait
	maxStateAge     = 6 * time.Second        // an older state means an outage of the store
	maxQueueTime    = 5 * time.Second        // maximum wait of a caller while further messages are received
)

// Config configures a Limiter. All fields are required but Command and Observe.
type Config struct {
	Store             Store
	Now               func() time.Time // with a monotonic clock reading
	RequestsPerMinute int              // of the site: the same in all processes
	Jitter            time.Duration    // maximum time from the sending of a call to its arrival at Chargebee
	Command           bool             // an operator's command: it asks more often than consumers, and for their reserve

	// Observe receives the status when its Control changed, and when accesses begin to fail or to succeed. It must
	// not block.
	Observe func(Status)
}

// Status is the status of one process.
type Status struct {
	Control
	Err     error  // of the last access to the store; nil if it succeeded
	Waiting int    // callers of Acquire
	Granted uint64 // permits that were handed out since the start
}

// Limiter hands out permits to the callers of one process, in the order in which they ask, while
// Run runs. It is safe for concurrent use.
type Limiter struct {
	cfg  Config
	wake chan struct{}

	// Only Run uses these fields.
	clock     fleetClock
	nextAsk   time.Time // earliest time of the next grant
	nextWrite time.Time // earliest time of the next write of the control
	observed  Status    // what Observe received last

	mu                  sync.Mutex // of the fields below
	waiters             []*waiter
	granted             uint64
	state               State     // only Run writes it
	readAt              time.Time // when state was last read or written; zero: never
	err                 error     // of the last access to the store
	served              servedPause
	unwritten           Pause     // for a 429, until it is in the store; zero if there is none
	scaleUnchangedSince time.Time // by this process's clock; zero: no state was read yet
}

type waiter struct {
	since  time.Time
	permit chan *Permit
}

// New returns a limiter.
func New(cfg Config) *Limiter {
	if cfg.Observe == nil {
		cfg.Observe = func(Status) {}
	}
	full := Control{Scale: FullScale}
	return &Limiter{
		cfg:      cfg,
		wake:     make(chan struct{}, 1),
		clock:    fleetClock{started: cfg.Now()},
		state:    State{Control: full},
		observed: Status{Control: full},
	}
}

// Acquire waits for a permit until ctx ends.
func (l *Limiter) Acquire(ctx context.Context) (*Permit, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w := &waiter{since: l.cfg.Now(), permit: make(chan *Permit, 1)}
	l.mu.Lock()
	l.waiters = append(l.waiters, w)
	l.mu.Unlock()
	l.wakeRun()

	select {
	case permit := <-w.permit:
		return permit, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiters, w)
	if i < 0 { // Run has just handed out its permit
		return <-w.permit, nil
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	return nil, context.Cause(ctx)
}

// wakeRun makes Run take its next step now.
func (l *Limiter) wakeRun() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Wait waits until a new caller of Acquire can expect a permit within seconds: the store answers, no pause is in
// force, and no caller has waited longer than maxQueueTime. A worker pool calls Wait before it receives messages.
// maxMessages is math.MaxInt: Wait does not limit the number of messages.
func (l *Limiter) Wait(ctx context.Context) (maxMessages int, err error) {
	for !l.available(l.cfg.Now()) {
		if err := retry.Wait(ctx, checkInterval, nil); err != nil {
			return 0, err
		}
	}
	return math.MaxInt, nil
}

// available reports whether Wait can return.
func (l *Limiter) available(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.readAt.IsZero() && now.Sub(l.readAt) <= maxStateAge && !l.paused(now) &&
		(len(l.waiters) == 0 || now.Sub(l.waiters[0].since) <= maxQueueTime)
}

// Status returns the present status.
func (l *Limiter) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{Control: l.state.Control, Err: l.err, Waiting: len(l.waiters), Granted: l.granted}
}
