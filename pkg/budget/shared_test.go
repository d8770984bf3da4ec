package budget_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/budget/contract"
	"github.com/billable-events/billable/pkg/pace"
)

// shared is a budget in memory, with the conditions of the real one.
type shared struct {
	mu     sync.Mutex
	budget pace.Budget
	tried  int // changes of entries
}

func newShared() *shared {
	return &shared{budget: pace.Budget{Entries: map[string]pace.Entry{}, Limit: pace.FullLimit}}
}

func (s *shared) read() pace.Budget {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copied()
}

func (s *shared) copied() pace.Budget {
	found := s.budget
	found.Entries = maps.Clone(s.budget.Entries)
	return found
}

// changes is how many were asked for, applied or not: each has its price.
func (s *shared) changes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

func (s *shared) change(change pace.Change) (pace.Budget, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	found, exists := s.budget.Entries[change.Name]
	taken := change.Taken()
	switch {
	case exists != (change.Old != nil),
		exists && found.Beat != change.Old.Beat,
		taken.Cost > 0 && (s.budget.Used > change.Most.Cost-taken.Cost || s.budget.Limit != change.Limit),
		taken.Slots > 0 && s.budget.Slots > change.Most.Slots-taken.Slots:
		return s.copied(), false
	}
	delete(s.budget.Entries, change.Name)
	if change.New != nil {
		s.budget.Entries[change.Name] = *change.New
	}
	s.budget.Used += taken.Cost
	s.budget.Slots += taken.Slots
	return s.copied(), true
}

func (s *shared) update(change func(*pace.Budget)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.budget)
}

var errStore = errors.New("the store does not answer")

// way is what happens to one call on its way to the store and back.
type way struct {
	there, back time.Duration
	dropped     bool          // it never gets there
	fails       time.Duration // after which the caller is told that it failed, whatever becomes of it; 0: never
}

// direct is a network without troubles, cutOff one on which nothing gets through.
func direct() way { return way{there: 10 * time.Millisecond, back: 10 * time.Millisecond} }
func cutOff() way { return way{dropped: true} }

// way draws what happens to a call.
func (f *fleet) way() way {
	there, back := f.upTo(40*time.Millisecond), f.upTo(40*time.Millisecond)
	if time.Now().Before(f.outage()) {
		return way{dropped: true, fails: there + 1}
	}
	var troubles int
	f.set(func() { troubles = f.troubles })
	switch fate := f.number(100); {
	case fate < troubles: // it fails, and its effect comes late, if at all
		return way{there: f.upTo(9 * time.Second), dropped: f.number(2) == 0, fails: f.upTo(3*time.Second) + 1}
	case fate < 2*troubles: // slow, to get there or to be answered
		slow := f.upTo(7 * time.Second)
		if f.number(2) == 0 {
			return way{there: there + slow, back: back}
		}
		return way{there: there, back: back + slow}
	default:
		return way{there: there, back: back}
	}
}

// link is one process's way to the shared budget.
type link struct {
	shared *shared
	world  *fleet
	pod    *pod
}

// pass lets a call through. What its caller gives up may take effect all the same.
func (l link) pass(ctx context.Context, call func()) (err error) {
	l.pod.stall()
	if l.pod.dead() {
		return errStore
	}
	l.pod.ask(1)
	defer l.pod.ask(-1)
	way := l.world.way()
	if network := l.pod.path(); network != nil {
		way = network()
	}
	done := make(chan struct{})
	if !way.dropped {
		l.world.group.Go(func() {
			time.Sleep(way.there)
			call()
			time.Sleep(way.back)
			close(done)
		})
	}
	var fails <-chan time.Time
	if way.fails > 0 {
		fails = time.After(way.fails)
	}
	select {
	case <-done:
	case <-fails:
		err = errStore
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.pod.stall()
	return err
}

func (l link) Budget(ctx context.Context) (pace.Budget, error) {
	answer := make(chan pace.Budget, 1)
	if err := l.pass(ctx, func() { answer <- l.shared.read() }); err != nil {
		return pace.Budget{}, err
	}
	return <-answer, nil
}

func (l link) Change(ctx context.Context, change pace.Change) (pace.Budget, bool, error) {
	type answer struct {
		found   pace.Budget
		applied bool
	}
	answers := make(chan answer, 1)
	if err := l.pass(ctx, func() {
		found, applied := l.shared.change(change)
		answers <- answer{found, applied}
	}); err != nil {
		return pace.Budget{}, false, err
	}
	got := <-answers
	return got.found, got.applied, nil
}

func (l link) Throttle(ctx context.Context, pause pace.Pause, read, limit int64) error {
	return l.pass(ctx, func() {
		l.shared.update(func(b *pace.Budget) {
			if b.Pause == nil && b.Limit == read {
				b.Pause, b.Limit = &pause, limit
			}
		})
	})
}

func (l link) EndPause(ctx context.Context, id string) error {
	return l.pass(ctx, func() {
		l.shared.update(func(b *pace.Budget) {
			if b.Pause != nil && b.Pause.ID == id {
				b.Pause = nil
			}
		})
	})
}

func (l link) SetLimit(ctx context.Context, read, limit int64) error {
	return l.pass(ctx, func() {
		l.shared.update(func(b *pace.Budget) {
			if b.Limit == read {
				b.Limit = limit
			}
		})
	})
}

// TestSharedContract: the budget in memory is as good as the real one.
func TestSharedContract(t *testing.T) {
	t.Parallel()
	contract.Run(t, func(*testing.T) budget.Store {
		f := newFleet(1, budget.Limits{})
		return link{f.shared, f, &pod{fleet: f}}
	})
}
