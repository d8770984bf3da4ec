// Package ratelimittest has what tests of the rate limiter and of its callers need: a fake
// store, a permit, and the contract that every ratelimit.Store has to keep.
package ratelimittest

import (
	"context"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
)

// Store is a ratelimit.Store in memory. Its zero value is an item that does not exist.
type Store struct {
	mu     sync.Mutex
	exists bool
	state  ratelimit.State
	writes int
}

// Read implements ratelimit.Store.
func (s *Store) Read(context.Context) (ratelimit.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present(), nil
}

func (s *Store) present() ratelimit.State {
	if !s.exists {
		return ratelimit.State{Control: ratelimit.Control{Scale: ratelimit.FullScale}}
	}
	return s.state
}

// Grant implements ratelimit.Store.
func (s *Store) Grant(_ context.Context, grant ratelimit.Grant) (found ratelimit.State, applied bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	found = s.present()
	switch {
	case found.Pause.InForce(), found.OperatorPause.InForce(), found.Scale != grant.Scale:
		return found, false, nil
	case grant.Idle && found.TAT < grant.From:
		found.TAT = grant.From + grant.Cost
	case !grant.Idle && found.TAT >= grant.From && found.TAT <= grant.Until-grant.Cost:
		found.TAT += grant.Cost
	default:
		return found, false, nil
	}
	found.Clock, found.RequestsPerMinute = grant.Clock, grant.RequestsPerMinute
	s.state, s.exists = found, true
	return found, true, nil
}

// SetControl implements ratelimit.Store.
func (s *Store) SetControl(_ context.Context, read, control ratelimit.Control) (found ratelimit.State, applied bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	found = s.present()
	if found.Control != read {
		return found, false, nil
	}
	found.Control = control
	s.state, s.exists = found, true
	return found, true, nil
}

// Delete deletes the item.
func (s *Store) Delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.exists = ratelimit.State{}, false
}

// Writes returns the number of updates, refused ones included.
func (s *Store) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Permit returns a permit whose age is measured by now.
func Permit(now func() time.Time) *ratelimit.Permit {
	limiter := ratelimit.New(ratelimit.Config{Store: &Store{}, Now: now, RequestsPerMinute: 1000})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		limiter.Run(ctx)
	}()
	permit, _ := limiter.Acquire(ctx) // the context does not end before
	cancel()
	<-ended
	return permit
}
