package deadletter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	callsPerMessage = 2               // a lower bound: most messages need a read and more lines, too
	burst           = time.Minute     // at the start and after a pause, the turns of one minute are taken at once
	refreshInterval = 5 * time.Second // between reads of the rate limiter's state
	maxTurnDelay    = 4 * time.Minute // far below the 10 minutes for which a browsed message is hidden
)

// RateLimit reads the state of the rate limiter that all consumers share.
type RateLimit interface {
	Read(ctx context.Context) (ratelimit.State, error)
}

// pacer limits a replay to a rate that consumers cannot exceed within Chargebee's limit. The replay itself
// makes no calls, and takes no permits.
type pacer struct {
	rateLimit RateLimit
	perMinute int // chargebee.requests_per_minute
	now       func() time.Time

	mu          sync.Mutex
	refreshedAt time.Time
	pausedBy    string        // why nothing is sent; empty if calls are not paused
	interval    time.Duration // between two messages
	nextTurn    time.Time     // when the next message may be sent
}

// refresh reads the state of the rate limiter, unless that was done within refreshInterval.
func (p *pacer) refresh(ctx context.Context) error {
	now := p.now()
	if now.Sub(p.refreshedAt) < refreshInterval {
		return nil
	}
	found, err := p.rateLimit.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the rate limiter: %w", err)
	}
	p.refreshedAt = now
	limit := time.Duration(p.perMinute) * time.Duration(found.Scale) / ratelimit.FullScale // calls per minute; lower after a 429
	p.interval = time.Minute * callsPerMessage / max(limit, 1)
	switch {
	case found.OperatorPause.InForce():
		p.pausedBy = "calls to Chargebee are paused by an operator (" + found.OperatorPause.Reason + "): resume them with consumer resume --yes"
	case found.Pause.InForce():
		p.pausedBy = fmt.Sprintf("no calls to Chargebee for %d s: %s", found.Pause.Seconds, found.Pause.Reason)
	default:
		p.pausedBy = ""
	}
	return nil
}

// waitTurn waits for the turn of a message. It returns errNotNow if calls are paused, or if the turn is more
// than maxTurnDelay away.
func (p *pacer) waitTurn(ctx context.Context) error {
	wait, err := p.reserve(ctx)
	if err != nil || wait <= 0 {
		return err
	}
	if err := retry.Wait(ctx, wait, nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refresh(ctx); err != nil || p.pausedBy == "" {
		return err
	}
	return errNotNow
}

// reserve reserves the next turn, and returns the delay until it. Errors are those of waitTurn.
func (p *pacer) reserve(ctx context.Context) (wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refresh(ctx); err != nil {
		return 0, err
	}
	now := p.now()
	// Turns that were not taken are kept for the time of one burst.
	if earliest := now.Add(min(p.interval-burst, 0)); p.nextTurn.Before(earliest) {
		p.nextTurn = earliest
	}
	if wait = p.nextTurn.Sub(now); p.pausedBy != "" || wait > maxTurnDelay {
		return 0, errNotNow
	}
	p.nextTurn = p.nextTurn.Add(p.interval)
	return wait, nil
}

// waitReady waits until a message may be sent. It calls waiting with the reason every refreshInterval.
func (p *pacer) waitReady(ctx context.Context, waiting func(reason string)) error {
	for {
		wait, reason, err := p.delay(ctx)
		if err != nil || wait <= 0 {
			return err
		}
		waiting(reason)
		if err := retry.Wait(ctx, min(wait, refreshInterval), nil); err != nil {
			return err
		}
	}
}

// delay returns the delay until the next message may be sent, and its reason. While calls are paused it is the
// time until the state is read again.
func (p *pacer) delay(ctx context.Context) (wait time.Duration, reason string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refresh(ctx); err != nil {
		return 0, "", err
	}
	if p.pausedBy != "" {
		return refreshInterval, p.pausedBy, nil
	}
	return p.nextTurn.Sub(p.now()), fmt.Sprintf("the rate limit allows %.1f messages a minute", 1/p.interval.Minutes()), nil
}
