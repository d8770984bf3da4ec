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
	growAfter   = time.Minute // time without a change of the scale after which it grows by growBy
	growBy      = 20          // thousandths
	pauseReason = "Chargebee answered 429: the site is over its limit"
)

// serving is the rate-limit pause that this process serves or served last.
type serving struct {
	id           string
	began, until time.Time
}

// Pause begins a rate-limit pause of all processes, after Chargebee answered 429 for the site to the call of the
// permit. If the permit was granted before the last pause began, the 429 is not new, and Pause does nothing.
//
// Run writes the pause to the store and lowers the scale, because a 429 means that other integrations use part of
// the site's limit. If a pause is in force already when it writes, it changes nothing.
func (l *Limiter) Pause(permit *Permit, retryAfter time.Duration) {
	now := l.cfg.Now()
	l.mu.Lock()
	if permit.started.After(l.serving.began) {
		seconds := (max(retryAfter, minPause) + time.Second - 1) / time.Second
		l.report = Pause{ID: rand.Text(), Seconds: int64(seconds), Reason: pauseReason}
		l.serve(l.report, now)
	}
	l.mu.Unlock()
	l.wakeRun()
}

// serve begins a pause of this process.
func (l *Limiter) serve(pause Pause, now time.Time) {
	l.serving = serving{id: pause.ID, began: now, until: now.Add(time.Duration(pause.Seconds) * time.Second)}
}

// paused reports whether no permits may be handed out.
func (l *Limiter) paused(now time.Time) bool {
	return l.state.OperatorPause.InForce() || l.state.Pause.InForce() || now.Before(l.serving.until)
}

// applyState replaces the state by one that was just returned by the store.
func (l *Limiter) applyState(found State, now time.Time) {
	last := l.state.Control
	l.state, l.readAt = found, now
	changed := found.Scale != last.Scale || found.ScaleChanged != last.ScaleChanged
	if changed || found.Pause.InForce() || l.scaleUnchangedSince.IsZero() {
		l.scaleUnchangedSince = now // by this process's clock; ScaleChanged is by the writer's
	}
	if found.Pause.InForce() && found.Pause.ID != l.serving.id {
		l.serve(found.Pause, now)
	}
	// A pause was written for the 429, by this process or another: it is in force, or it has ended and only the
	// lower scale shows it.
	if found.Pause.InForce() || found.Scale < last.Scale {
		l.report = Pause{}
	}
}

// nextControl returns the control that this process must write now. changed is false if it is the one in the store.
func (l *Limiter) nextControl(now time.Time) (next Control, changed bool) {
	next = l.state.Control
	switch {
	case l.report.InForce() && !next.Pause.InForce():
		next.Pause = l.report
		next.Scale, next.ScaleChanged = max(next.Scale*backOff/1000, minScale), now.Unix()
	case next.Pause.InForce() && next.Pause.ID == l.serving.id && !now.Before(l.serving.until):
		next.Pause = Pause{}
	case next.Scale < FullScale && !next.Pause.InForce() && now.Sub(l.scaleUnchangedSince) >= growAfter:
		next.Scale, next.ScaleChanged = min(next.Scale+growBy, FullScale), now.Unix()
	default:
		return next, false
	}
	return next, true
}

// PauseByOperator stops the calls of all processes until Resume. It returns the pause that
// is in force now, and whether it is the new one.
func PauseByOperator(ctx context.Context, store Store, pause OperatorPause) (inForce OperatorPause, applied bool, err error) {
	return setOperatorPause(ctx, store, pause)
}

// Resume ends an operator pause. It reports whether there was one.
func Resume(ctx context.Context, store Store) (applied bool, err error) {
	_, applied, err = setOperatorPause(ctx, store, OperatorPause{})
	return applied, err
}

// setOperatorPause begins or ends an operator pause, unless that was done already.
func setOperatorPause(ctx context.Context, store Store, pause OperatorPause) (inForce OperatorPause, applied bool, err error) {
	found, err := store.Read(ctx)
	for err == nil && !applied && found.OperatorPause.InForce() != pause.InForce() {
		next := found.Control
		next.OperatorPause = pause
		found, applied, err = store.SetControl(ctx, found.Control, next)
	}
	return found.OperatorPause, applied, err
}
