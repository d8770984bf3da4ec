package budget

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	renewEvery = time.Second
	idleEvery  = 2 * time.Second        // while it has no rate and wants none
	leaseLife  = 6 * time.Second        // from the start of the last renewal that was applied
	leftAfter  = 8 * time.Second        // a beat that stood for so long has no holder
	goneMargin = 500 * time.Millisecond // after which the calls of a left entry surely count no more
	gathering  = 50 * time.Millisecond  // of demand, before a renewal that could not wait
	breath     = time.Millisecond       // for those who waited to take what they were granted, before it is asked for more
	leaveLimit = 2 * time.Second        // for the last write of a member

	everything    = math.MaxInt32 // a want
	commandPrefix = "command-"
	podPrefix     = "pod-"
)

// Store keeps the budget that all processes share. All reads are strong.
type Store interface {
	// Budget returns the budget; one that does not exist is an empty one.
	Budget(ctx context.Context) (pace.Budget, error)
	// Change applies the change as a whole, if all that it names is as it says, and
	// returns the budget after it. A change that is not applied returns the budget as
	// found, and false. After an error it may have been applied.
	Change(ctx context.Context, change pace.Change) (found pace.Budget, applied bool, err error)
	// Throttle begins a pause and sets the limit, if no pause stands and the limit is
	// still the one that was read.
	Throttle(ctx context.Context, pause pace.Pause, read, limit int64) error
	// EndPause takes the pause with this id away, if it stands.
	EndPause(ctx context.Context, id string) error
	// SetLimit sets the limit if it is still the one that was read.
	SetLimit(ctx context.Context, read, limit int64) error
}

// Config is what a member is made of. All fields are required but Observe.
type Config struct {
	Store   Store
	Now     func() time.Time // with monotonic clock reading
	Limits  Limits
	Command bool // a command of the operator: it goes first, and takes part only while it calls

	// Observe, which may be nil, is told of every change of the share.
	Observe func(Report)
}

// Report tells what a member may do and why.
type Report struct {
	Name    string
	Rate    int64 // thousandths of a call per second
	Slots   int64 // simultaneous calls
	Members int   // entries that are held
	Limit   int64 // thousandths of the configured calls per minute
	Pause   *pace.Pause
	Hold    *pace.Hold
	Err     error // why the budget could not be reached
}

// differs tells whether the reports say different things. Errors count as one.
func (r Report) differs(other Report) bool {
	if (r.Err == nil) != (other.Err == nil) || (r.Pause == nil) != (other.Pause == nil) || (r.Hold == nil) != (other.Hold == nil) {
		return true
	}
	return r.Name != other.Name || r.Rate != other.Rate || r.Slots != other.Slots || r.Members != other.Members || r.Limit != other.Limit
}

// Member takes part in the shared budget for one process: it renews the process's
// entry, and hands out permits as far as that goes. Run has to run for it.
type Member struct {
	*Pacer

	config  Config
	kick    chan struct{}    // a renewal cannot wait
	refusal chan *pace.Pause // Chargebee's

	// The fields below belong to Run.
	name   string
	entry  *pace.Entry        // as last written; nil while the member has none
	view   *pace.Budget       // as last seen; nil before that
	tried  map[string]attempt // writes whose answers are not known, by beat
	others map[string]sighting
	limit  steady
	pause  serving
	demand measure
	err    error // of the last renewal
	told   Report
}

// NewMember returns a member that has no share yet.
func NewMember(config Config) *Member {
	if config.Observe == nil {
		config.Observe = func(Report) {}
	}
	m := &Member{
		config:  config,
		kick:    make(chan struct{}, 1),
		refusal: make(chan *pace.Pause, 1),
		tried:   map[string]attempt{},
		others:  map[string]sighting{},
		demand:  measure{at: config.Now()},
	}
	m.Pacer = NewPacer(config.Now, func() { poke(m.kick) })
	return m
}

// poke has the reader of a channel look, if it does not already.
func poke(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// rename gives the member a name that nobody had.
func (m *Member) rename() {
	m.name = podPrefix + newBeat()[:8]
	if m.config.Command {
		m.name = commandPrefix + newBeat()[:8]
	}
}

// newBeat returns 16 random characters.
func newBeat() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

// Run takes part until ctx ends, then leaves.
func (m *Member) Run(ctx context.Context) {
	for ctx.Err() == nil {
		started := m.config.Now()
		again := m.renew(ctx)
		m.report()
		if again {
			_ = retry.Wait(ctx, breath, nil)
			continue
		}
		if m.err != nil { // it is not asked for more often because somebody waits
			_ = retry.Wait(ctx, renewEvery/4, nil)
		}
		_ = retry.Wait(ctx, m.every()-gathering-m.config.Now().Sub(started), m.kick)
		_ = retry.Wait(ctx, gathering, nil)
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveLimit)
	defer cancel()
	_ = m.leave(leaving) // otherwise the others find out by themselves
}

// every is the time from one renewal to the next that nobody asks for.
func (m *Member) every() time.Duration {
	if m.entry != nil && m.entry.Rate == 0 && m.entry.Want <= pace.ReadyWant && m.err == nil {
		return idleEvery
	}
	return renewEvery
}

// renew renews the member's entry once, and does what else is due. again says that the
// next renewal need not wait.
func (m *Member) renew(ctx context.Context) (again bool) {
	ctx, cancel := context.WithTimeout(ctx, leaseLife)
	defer cancel()
	select {
	case <-m.kick: // it is about what this renewal asks for
	default:
	}
	again, err := m.partake(ctx)
	if err == nil && m.view != nil {
		err = errors.Join(m.throttle(ctx), m.tend(ctx))
	}
	m.err = err
	return again && err == nil
}

// partake joins, renews or leaves, as the demand is.
func (m *Member) partake(ctx context.Context) (again bool, err error) {
	want, calls := m.demand.next(m.Pacer, m.config.Now())
	if want == 0 && !m.config.Command {
		want = pace.ReadyWant
	}
	switch {
	case m.view == nil:
		found, err := m.config.Store.Budget(ctx)
		if err != nil {
			return false, fmt.Errorf("read the budget: %w", err)
		}
		m.look(found)
		return true, nil
	case want == 0 && m.entry == nil:
		return false, nil
	case want == 0:
		return false, m.leave(ctx)
	case m.entry == nil:
		return m.join(ctx, want, calls)
	default:
		return m.extend(ctx, want, calls)
	}
}

// report tells of a share that changed: of a rate, once it is another by a tenth.
func (m *Member) report() {
	now := Report{Name: m.name, Err: m.err}
	if m.entry != nil {
		now.Rate, now.Slots = m.entry.Rate, m.entry.Slots
	}
	if m.view != nil {
		now.Limit, now.Pause, now.Hold = m.view.Limit, m.view.Pause, m.view.Hold
		now.Members = m.view.Running()
	}
	if told := m.told; 10*max(now.Rate-told.Rate, told.Rate-now.Rate) < told.Rate {
		now.Rate = told.Rate
	}
	if now.differs(m.told) {
		m.told = now
		m.config.Observe(now)
	}
}

// Wait returns when a call could be made if it were asked for, and that any number may
// go on then: a pool asks here before it takes a message, so that none waits for a
// process without a share.
func (m *Member) Wait(ctx context.Context) (most int, err error) {
	for {
		wait, changed := m.closed()
		if wait <= 0 {
			return math.MaxInt, nil
		}
		if err := retry.Wait(ctx, wait, changed); err != nil {
			return 0, err
		}
	}
}
