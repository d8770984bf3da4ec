package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

// Run hands out permits until ctx ends.
func (l *Limiter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := l.step(ctx)
		if ctx.Err() != nil {
			return
		}
		l.observe()
		_ = retry.Wait(ctx, wait, l.wake)
	}
}

// step does what is due: a write of the control, an ask, a read, or nothing. It returns the time until the next step,
// unless Run is woken earlier.
func (l *Limiter) step(ctx context.Context) (wait time.Duration) {
	now := l.cfg.Now()
	l.mu.Lock()
	waiting := len(l.waiters)
	if l.paused(now) {
		waiting = 0
	}
	control, failed := l.state.Control, l.err != nil
	next, changed := l.nextControl(now)
	l.mu.Unlock()

	nextAsk, nextRead := l.nextAsk.Sub(now), l.readAt.Add(readInterval).Sub(now)
	switch {
	case failed && nextAsk > 0:
		return nextAsk
	case l.readAt.IsZero():
		return l.access(ctx, accessTimeout, l.cfg.Store.Read)
	case changed && !now.Before(l.nextWrite):
		l.nextWrite = now.Add(retry.Jitter(failureDelay, 0.5))
		return l.access(ctx, accessTimeout, func(ctx context.Context) (State, error) {
			found, _, err := l.cfg.Store.SetControl(ctx, control, next)
			return found, err
		})
	case waiting > 0 && nextAsk <= 0:
		return l.ask(ctx, waiting)
	case nextRead <= 0:
		return l.access(ctx, accessTimeout, l.cfg.Store.Read)
	case waiting > 0:
		return min(nextAsk, nextRead)
	default:
		return nextRead
	}
}

// ask asks the store for a permit for each waiting caller, or for as many as the bucket has. If the grant is refused,
// ask asks once more, by the present state that the refusal returned. After a failed access, wait is above 0.
func (l *Limiter) ask(ctx context.Context, waiting int) (wait time.Duration) {
	interval, reserve := askInterval, int64(consumerReserve)
	if l.cfg.Command {
		interval, reserve = commandInterval, 0
	}
	for range 2 {
		started := l.cfg.Now()
		now, state := l.clock.at(started), l.state // only Run writes the state
		bucket := newBucket(l.cfg.RequestsPerMinute, state.Scale, l.cfg.Jitter)
		calls := min(waiting, bucket.free(state.TAT, now, reserve))
		if calls < waiting {
			l.nextAsk = started.Add(max(retry.Jitter(interval, 0.5), bucket.untilNext(state.TAT, now, reserve)))
		}
		if calls <= 0 || state.OperatorPause.InForce() || state.Pause.InForce() {
			return 0
		}
		var granted bool
		grant := bucket.grant(calls, state, now, reserve)
		grant.RequestsPerMinute = int64(l.cfg.RequestsPerMinute)
		wait := l.access(ctx, life, func(ctx context.Context) (found State, err error) {
			found, granted, err = l.cfg.Store.Grant(ctx, grant)
			return found, err
		})
		switch {
		case wait > 0:
			return wait
		case granted:
			l.handOut(calls, started)
			return 0
		}
	}
	l.nextAsk = l.cfg.Now().Add(retry.Jitter(interval, 0.5))
	return 0
}

// handOut hands out at most n permits of an update that started at the given time. Permits are left over if callers
// were canceled, if the update took longer than life, or if a pause has begun.
func (l *Limiter) handOut(n int, started time.Time) {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if age(started, now) > life || l.paused(now) {
		return
	}
	served := min(n, len(l.waiters))
	l.granted += uint64(served)
	for _, w := range l.waiters[:served] {
		w.permit <- &Permit{now: l.cfg.Now, started: started}
	}
	l.waiters = slices.Delete(l.waiters, 0, served)
}

// access calls the store and applies the returned state. If the call fails, it returns the delay before the next
// access, otherwise 0.
func (l *Limiter) access(ctx context.Context, timeout time.Duration, call func(context.Context) (State, error)) (wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := call(ctx)
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err != nil {
		l.err = fmt.Errorf("ratelimit: access the shared state: %w", err)
		wait = retry.Jitter(failureDelay, 0.5)
		l.nextAsk = now.Add(wait)
		return wait
	}
	l.clock.follow(found.Clock, now)
	l.applyState(found, now)
	return 0
}

// observe calls Observe if the status changed: see Config.Observe.
func (l *Limiter) observe() {
	status := l.Status()
	if status.Control != l.observed.Control || (status.Err == nil) != (l.observed.Err == nil) {
		l.observed = status
		l.cfg.Observe(status)
	}
}
