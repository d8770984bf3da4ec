package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	callsPerLetter = 2               // of an invoice at least: one line, and the closing
	burst          = time.Minute     // the letters of so much time may go at once
	lookEvery      = 5 * time.Second // at the rate limiter
	patience       = 4 * time.Minute // for a letter's turn: far below the 10 minutes for which it is hidden from others
)

// RateLimit reads the state of the rate limiter that all consumers share.
type RateLimit interface {
	Read(ctx context.Context) (ratelimit.State, error)
}

// errNotNow says that a letter's turn does not come soon.
var errNotNow = errors.New("deadletter: not now")

// pacer sends dead letters back no faster than the consumers may call Chargebee for them. A
// replay makes no calls itself, and needs no permits.
type pacer struct {
	rateLimit RateLimit
	perMinute int // calls, of which the scale of the rate limiter leaves a part
	now       func() time.Time

	mu      sync.Mutex
	looked  time.Time
	stopped string        // why no letter goes back
	each    time.Duration // from one letter to the next
	next    time.Time     // when the next one may go
}

// look reads the state of the rate limiter if the last look was a while ago.
func (p *pacer) look(ctx context.Context) error {
	now := p.now()
	if now.Sub(p.looked) < lookEvery {
		return nil
	}
	found, err := p.rateLimit.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the rate limiter: %w", err)
	}
	p.looked = now
	p.each = time.Minute * callsPerLetter * ratelimit.FullScale / time.Duration(max(int64(p.perMinute)*found.Scale, 1))
	switch {
	case found.OperatorPause.InForce():
		p.stopped = "an operator stopped all calls to Chargebee (" + found.OperatorPause.Reason + "): consumer resume --yes lets them go on"
	case found.Pause.InForce():
		p.stopped = fmt.Sprintf("no calls to Chargebee for %d s: %s", found.Pause.Seconds, found.Pause.Reason)
	default:
		p.stopped = ""
	}
	return nil
}

// turn waits for the turn of a letter. errNotNow: it does not come soon.
func (p *pacer) turn(ctx context.Context) error {
	wait, err := p.book(ctx)
	if err != nil || wait <= 0 {
		return err
	}
	if err := retry.Wait(ctx, wait, nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.look(ctx); err != nil || p.stopped == "" {
		return err
	}
	return errNotNow
}

// book takes the next turn and returns how long it is until then. errNotNow: that is
// beyond patience, or nobody can know.
func (p *pacer) book(ctx context.Context) (wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.look(ctx); err != nil {
		return 0, err
	}
	now := p.now()
	if earliest := now.Add(min(p.each-burst, 0)); p.next.Before(earliest) {
		p.next = earliest
	}
	if wait = p.next.Sub(now); p.stopped != "" || wait > patience {
		return 0, errNotNow
	}
	p.next = p.next.Add(p.each)
	return wait, nil
}

// ready waits until a letter may go. waits is told why none may.
func (p *pacer) ready(ctx context.Context, waits func(why string)) error {
	for {
		wait, why, err := p.ahead(ctx)
		if err != nil || wait <= 0 {
			return err
		}
		waits(why)
		if err := retry.Wait(ctx, min(wait, lookEvery), nil); err != nil {
			return err
		}
	}
}

// ahead is how long it is until the next letter may go, as far as that is known, and what
// holds it.
func (p *pacer) ahead(ctx context.Context) (wait time.Duration, why string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.look(ctx); err != nil {
		return 0, "", err
	}
	if p.stopped != "" {
		return lookEvery, p.stopped, nil
	}
	return p.next.Sub(p.now()), fmt.Sprintf("the rate limit allows %.1f letters a minute", 1/p.each.Minutes()), nil
}
