package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

// Run grants permits until ctx ends. It leaves nothing behind.
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

// step accesses the store once, or not at all if nothing is due. It returns the time until the next step, unless Run
// is woken earlier.
func (l *Limiter) step(ctx context.Context) (wait time.Duration) {
	now := l.cfg.Now()
	l.mu.Lock()
	waiting := len(l.waiters)
	if l.paused(now) {
		waiting = 0
	}
	read, failed := l.state.Control, l.err != nil
	next, changed := l.nextControl(now)
	l.mu.Unlock()

	nextAsk, nextRead := l.nextAsk.Sub(now), l.readAt.Add(readInterval).Sub(now)
	switch {
	case failed && nextAsk > 0:
		return nextAsk
	case l.readAt.IsZero():
		return l.access(ctx, readTimeout, l.cfg.Store.Read)
	case changed && !now.Before(l.nextWrite):
		l.nextWrite = now.Add(retry.Jitter(failureDelay, 0.5))
		return l.access(ctx, readTimeout, func(ctx context.Context) (State, error) {
			found, _, err := l.cfg.Store.SetControl(ctx, read, next)
			return found, err
		})
	case waiting > 0 && nextAsk <= 0:
		return l.ask(ctx, waiting)
	case nextRead <= 0:
		return l.access(ctx, readTimeout, l.cfg.Store.Read)
	case waiting > 0:
		return min(nextAsk, nextRead)
	default:
		return nextRead
	}
}

// ask asks the store for permits for the callers that wait. A refused update returns the present state, and ask
// repeats it once with the number of calls that fits that state.
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
		if wait := l.access(ctx, life, func(ctx context.Context) (found State, err error) {
			grant := bucket.grant(calls, state, now, reserve)
			grant.RequestsPerMinute = int64(l.cfg.RequestsPerMinute)
			found, granted, err = l.cfg.Store.Grant(ctx, grant)
			return found, err
		}); wait > 0 {
			return wait
		}
		if granted {
			l.handOut(calls, started)
			return 0
		}
	}
	l.nextAsk = l.cfg.Now().Add(retry.Jitter(interval, 0.5))
	return 0
}

// handOut gives permits to the callers that wait. If there are fewer callers than permits, because some were canceled,
// the other permits are not used.
func (l *Limiter) handOut(calls int, started time.Time) {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if age(started, now) > life || l.paused(now) {
		return
	}
	served := min(calls, len(l.waiters))
	l.granted += uint64(served)
	for _, w := range l.waiters[:served] {
		w.permit <- &Permit{now: l.cfg.Now, started: started}
	}
	l.waiters = slices.Delete(l.waiters, 0, served)
}

// access calls the store and applies the state that it returns. If the call fails, wait is above 0: the next access is
// after it.
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

// observe reports a change of the control or of the error.
func (l *Limiter) observe() {
	status := l.Status()
	if status.Control != l.reported.Control || (status.Err == nil) != (l.reported.Err == nil) {
		l.reported = status
		l.cfg.Observe(status)
	}
}
