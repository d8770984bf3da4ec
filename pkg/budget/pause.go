package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

const (
	minPause   = 10 * time.Second
	backOff    = 600              // thousandths of the limit that are left after a refusal
	leastLimit = 100              // thousandths: it never gets lower
	growAfter  = 60 * time.Second // in which the limit stood
	growBy     = 20               // thousandths
)

// steady is since when the limit is what it is.
type steady struct {
	limit int64
	since time.Time
}

func (s *steady) see(found pace.Budget, now time.Time) {
	if s.limit != found.Limit || found.Pause != nil {
		*s = steady{found.Limit, now}
	}
}

// serving is the pause that is served.
type serving struct {
	id  string
	end time.Time
}

// see begins to serve a pause that was not seen before, and does as an operator says.
func (m *Member) see(found pace.Budget) {
	m.hold(found.Hold)
	if found.Pause == nil || found.Pause.ID == m.pause.id {
		return
	}
	wait := time.Duration(found.Pause.Seconds) * time.Second
	m.pause = serving{found.Pause.ID, m.config.Now().Add(wait)}
	m.Pacer.pause(wait)
}

// Pause stops all calls of all processes for a while: Chargebee refused a call to the
// site, and this is its permit. A call that left before the last pause was seen says
// nothing new. The limit goes down, for somebody else calls as well.
func (m *Member) Pause(permit *pace.Permit, wait time.Duration) {
	wait = max(wait, minPause)
	if !m.refused(permit, wait) {
		return
	}
	pause := &pace.Pause{
		ID:      newBeat(),
		Seconds: int64((wait + time.Second - 1) / time.Second),
		Reason:  "Chargebee refused a call: the site is over its limit",
	}
	select {
	case m.refusal <- pause:
		poke(m.kick)
	default: // one is on its way
	}
}

// throttle tells the others of a refusal, ends a pause that was served, and has the
// limit grow again.
func (m *Member) throttle(ctx context.Context) error {
	now := m.config.Now()
	limit := m.view.Limit
	var errs []error
	select {
	case pause := <-m.refusal:
		if m.view.Pause == nil {
			m.pause = serving{pause.ID, now.Add(time.Duration(pause.Seconds) * time.Second)}
			if err := m.config.Store.Throttle(ctx, *pause, limit, max(limit*backOff/1000, leastLimit)); err != nil {
				errs = append(errs, fmt.Errorf("tell of a refusal: %w", err))
				select {
				case m.refusal <- pause: // again with the next renewal
				default:
				}
			}
		}
	default:
	}
	if m.view.Pause != nil && m.view.Pause.ID == m.pause.id && !now.Before(m.pause.end) {
		if err := m.config.Store.EndPause(ctx, m.pause.id); err != nil {
			errs = append(errs, fmt.Errorf("end a pause: %w", err))
		}
	}
	if limit < pace.FullLimit && m.view.Pause == nil && now.Sub(m.limit.since) >= growAfter {
		if err := m.config.Store.SetLimit(ctx, limit, min(limit+growBy, pace.FullLimit)); err != nil {
			errs = append(errs, fmt.Errorf("have the limit grow: %w", err))
		}
	}
	return errors.Join(errs...)
}
