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
	askInterval     = 450 * time.Millisecond // between updates while callers wait for more than the bucket has
	commandInterval = 100 * time.Millisecond // askInterval of a command
	readInterval    = time.Second            // between reads while nothing is written
	readTimeout     = 5 * time.Second
	failureDelay    = 250 * time.Millisecond // after an error, and between writes of the control
	staleAfter      = 6 * time.Second        // maximum age of the state; an older one means an outage of the store
	maxQueueTime    = 5 * time.Second        // maximum wait of a caller while further messages are received
)

// Config configures a Limiter. All fields are required but Command and Observe.
type Config struct {
	Store             Store
	Now               func() time.Time // with a monotonic clock reading
	RequestsPerMinute int              // of the site: the same in all processes
	Jitter            time.Duration    // maximum time from the sending of a call to its arrival at Chargebee
	Command           bool             // an operator's command: it asks more often than consumers

	// Observe receives the status when its Control or Err changed. It must not block.
	Observe func(Status)
}

// Status is the status of one process.
type Status struct {
	Control
	Err     error  // of the last access to the store; nil if it succeeded
	Waiting int    // callers of Acquire
	Granted uint64 // permits since the start
}

// Limiter grants permits to the callers of one process, in the order in which they ask. It
// is safe for concurrent use. Permits are granted while Run runs.
type Limiter struct {
	cfg  Config
	wake chan struct{}

	// The fields below belong to Run.
	clock     fleetClock
	nextAsk   time.Time
	nextWrite time.Time // of the control
	reported  Status

	mu                  sync.Mutex
	waiters             []*waiter
	granted             uint64
	state               State
	readAt              time.Time // when state was last read or written; zero: never
	err                 error     // of the last access to the store
	serving             serving
	report              Pause     // a 429 that is not written yet
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
		reported: Status{Control: full},
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
// force, and no caller has waited longer than maxQueueTime. A worker pool calls it before it receives messages.
// It does not limit their number: maxMessages is math.MaxInt.
func (l *Limiter) Wait(ctx context.Context) (maxMessages int, err error) {
	for !l.available(l.cfg.Now()) {
		if err := retry.Wait(ctx, commandInterval, nil); err != nil {
			return 0, err
		}
	}
	return math.MaxInt, nil
}

func (l *Limiter) available(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.readAt.IsZero() && now.Sub(l.readAt) <= staleAfter && !l.paused(now) &&
		(len(l.waiters) == 0 || now.Sub(l.waiters[0].since) <= maxQueueTime)
}

// Status returns the present status.
func (l *Limiter) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{Control: l.state.Control, Err: l.err, Waiting: len(l.waiters), Granted: l.granted}
}
