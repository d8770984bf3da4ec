package ratelimit

import (
	"context"
	"crypto/rand"
	"time"
)

const (
	minPause    = 10 * time.Second
	backOff     = 600         // thousandths by which a 429 multiplies the scale
	minScale    = 100         // thousandths
	growAfter   = time.Minute // time without a pause or a change of the scale after which the scale grows by growBy
	growBy      = 20          // thousandths
	pauseReason = "Chargebee answered 429: the site is over its limit"
)

// servedPause is the rate-limit pause that this process serves now or has served last.
type servedPause struct {
	id           string
	began, until time.Time
}

// Pause begins a rate-limit pause of all processes, after Chargebee answered 429 for the site to the call of the
// permit. It ignores a 429 for a permit that was granted before this process began to serve its last pause.
//
// Run writes the pause to the store and lowers the scale, because a 429 means that other integrations use part of
// the site's limit. It does neither if the store has a pause by then.
func (l *Limiter) Pause(permit *Permit, retryAfter time.Duration) {
	now := l.cfg.Now()
	l.mu.Lock()
	if permit.started.After(l.served.began) {
		seconds := (max(retryAfter, minPause) + time.Second - 1) / time.Second // rounded up
		l.unwritten = Pause{ID: rand.Text(), Seconds: int64(seconds), Reason: pauseReason}
		l.serve(l.unwritten, now)
	}
	l.mu.Unlock()
	l.wakeRun()
}

// serve makes this process serve a pause from now on.
func (l *Limiter) serve(pause Pause, now time.Time) {
	l.served = servedPause{id: pause.ID, began: now, until: now.Add(time.Duration(pause.Seconds) * time.Second)}
}

// paused reports whether a pause forbids that permits are handed out.
func (l *Limiter) paused(now time.Time) bool {
	return l.state.OperatorPause.InForce() || l.state.Pause.InForce() || now.Before(l.served.until)
}

// applyState replaces the state by the one that the store returned just now.
func (l *Limiter) applyState(found State, now time.Time) {
	last := l.state
	l.state, l.readAt = found, now
	changed := found.Scale != last.Scale || found.ScaleChanged != last.ScaleChanged
	if changed || found.Pause.InForce() || l.scaleUnchangedSince.IsZero() {
		l.scaleUnchangedSince = now // by this process's clock; ScaleChanged is by the writer's
	}
	if found.Pause.InForce() && found.Pause.ID != l.served.id {
		l.serve(found.Pause, now)
	}
	// Some process has written a pause for the 429. If that pause has ended already, it has left a lower scale.
	if found.Pause.InForce() || found.Scale < last.Scale {
		l.unwritten = Pause{}
	}
}

// nextControl returns the control that this process must write now. changed is false if there is nothing to write.
func (l *Limiter) nextControl(now time.Time) (next Control, changed bool) {
	next = l.state.Control
	switch {
	case l.unwritten.InForce() && !next.Pause.InForce():
		next.Pause = l.unwritten
		next.Scale, next.ScaleChanged = max(next.Scale*backOff/FullScale, minScale), now.Unix()
	case next.Pause.InForce() && next.Pause.ID == l.served.id && !now.Before(l.served.until):
		next.Pause = Pause{}
	case next.Scale < FullScale && !next.Pause.InForce() && now.Sub(l.scaleUnchangedSince) >= growAfter:
		next.Scale, next.ScaleChanged = min(next.Scale+growBy, FullScale), now.Unix()
	default:
		return next, false
	}
	return next, true
}

// PauseByOperator stops the calls of all processes until Resume. If an operator pause is in force already, it
// changes nothing and returns that pause; applied is false then.
func PauseByOperator(ctx context.Context, store Store, pause OperatorPause) (inForce OperatorPause, applied bool, err error) {
	return setOperatorPause(ctx, store, pause)
}

// Resume ends an operator pause. applied reports whether there was one.
func Resume(ctx context.Context, store Store) (applied bool, err error) {
	_, applied, err = setOperatorPause(ctx, store, OperatorPause{})
	return applied, err
}

// setOperatorPause begins an operator pause, or ends it if pause is zero. It changes nothing if there is a pause
// already, or none to end.
func setOperatorPause(ctx context.Context, store Store, pause OperatorPause) (inForce OperatorPause, applied bool, err error) {
	found, err := store.Read(ctx)
	for err == nil && !applied && found.OperatorPause.InForce() != pause.InForce() {
		next := found.Control
		next.OperatorPause = pause
		found, applied, err = store.SetControl(ctx, found.Control, next)
	}
	return found.OperatorPause, applied, err
}
