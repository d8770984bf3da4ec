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
	callsPerMessage = 2               // low on purpose: an undisturbed invoice of n lines needs n + 2 calls
	burst           = time.Minute     // unused turns of this time can be taken at once: at the start, and after a pause
	refreshInterval = 5 * time.Second // minimum time between reads of the rate limiter's state
	maxTurnDelay    = 4 * time.Minute // far below the 10 minutes for which a browsed message is hidden
)

// RateLimit reads the state of the rate limiter that all consumers share.
type RateLimit interface {
	Read(ctx context.Context) (ratelimit.State, error)
}

// pacer limits the rate of a replay, so that the queue does not fill much faster than consumers can empty it
// within Chargebee's limit: interval = callsPerMessage / (calls per minute). The replay itself makes no calls to
// Chargebee, and needs no permits.
type pacer struct {
	rateLimit RateLimit
	perMinute int // chargebee.requests_per_minute
	now       func() time.Time

	mu          sync.Mutex
	refreshedAt time.Time
	pauseReason string        // for operators; empty if calls to Chargebee are not paused
	interval    time.Duration // between two turns
	nextTurn    time.Time     // the first turn that is not reserved
}

// refresh reads the state of the rate limiter, unless that was done within refreshInterval. The caller holds mu.
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
	callsPerMinute := int64(p.perMinute) * found.Scale / ratelimit.FullScale // lower after a 429
	p.interval = time.Minute * callsPerMessage / time.Duration(max(callsPerMinute, 1))
	switch {
	case found.OperatorPause.InForce():
		p.pauseReason = "calls to Chargebee are paused by an operator (" + found.OperatorPause.Reason + "): resume them with consumer resume --yes"
	case found.Pause.InForce():
		p.pauseReason = fmt.Sprintf("no calls to Chargebee for %d s: %s", found.Pause.Seconds, found.Pause.Reason)
	default:
		p.pauseReason = ""
	}
	return nil
}

// waitTurn waits for the turn of one message. It returns errNotNow if calls are paused before or after the wait,
// or if the turn is more than maxTurnDelay away. Other errors are those of refresh and ctx.
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
	if err := p.refresh(ctx); err != nil || p.pauseReason == "" {
		return err
	}
	return errNotNow
}

// reserve reserves the next turn, and returns the delay until this turn. Errors are those of waitTurn.
func (p *pacer) reserve(ctx context.Context) (wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refresh(ctx); err != nil {
		return 0, err
	}
	now := p.now()
	// The turns of the last burst can still be taken, older ones cannot.
	if earliest := now.Add(min(p.interval-burst, 0)); p.nextTurn.Before(earliest) {
		p.nextTurn = earliest
	}
	if wait = p.nextTurn.Sub(now); p.pauseReason != "" || wait > maxTurnDelay {
		return 0, errNotNow
	}
	p.nextTurn = p.nextTurn.Add(p.interval)
	return wait, nil
}

// waitReady waits until nextTurn, and until calls are not paused. It calls waiting every refreshInterval.
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

// delay returns the delay until nextTurn, and its reason; while calls are paused, refreshInterval and the reason of
// the pause.
func (p *pacer) delay(ctx context.Context) (wait time.Duration, reason string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refresh(ctx); err != nil {
		return 0, "", err
	}
	if p.pauseReason != "" {
		return refreshInterval, p.pauseReason, nil
	}
	return p.nextTurn.Sub(p.now()), fmt.Sprintf("the rate limit allows %.1f messages a minute", 1/p.interval.Minutes()), nil
}
