package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
)

// permitTimeout is the maximum wait for a permit.
const permitTimeout = 5 * time.Minute

// The delays of a message by the cause of its deferral. The first two are also the intervals between the
// probes of the Breaker.
const (
	outageDelay       = 10 * time.Second // Chargebee does not answer
	unauthorizedDelay = time.Minute      // Chargebee refuses the credentials or the site
	callLimitDelay    = 3 * time.Second  // 429 for this call only (a lock of the invoice, a third party), or its permits expired
	readAgainDelay    = time.Minute      // an invoice could not be read, or not completely
	clockDelay        = 10 * time.Second // the clock of this process is wrong
	noPermitDelay     = time.Minute      // there was no permit within permitTimeout
)

// asFailure returns the failed call in err. ok is false if there is none.
func asFailure(err error) (failure *billing.Failure, ok bool) {
	return errors.AsType[*billing.Failure](err)
}

// isNotFound reports whether err is the failure of a read of an invoice that does not exist.
func isNotFound(err error) bool {
	failure, failed := asFailure(err)
	return failed && failure.IsNotFound()
}

// isRefusal reports whether Chargebee refused this request: repeated, it would fail again.
func isRefusal(failure *billing.Failure) bool {
	return failure.Kind == billing.Permanent || failure.Kind == billing.Missing
}

// checkClock returns a deferral if the clock of this process is wrong: decisions about leases and idempotency
// keys would be wrong, too. The retry may be received by a process with the right time.
func (s *Settler) checkClock() error {
	if reason := s.Breaker.ClockError(); reason != "" {
		return deferFor(clockDelay, reason)
	}
	return nil
}

// acquirePermit waits for the permit of one call.
func (s *Settler) acquirePermit(ctx context.Context) (*ratelimit.Permit, error) {
	if err := s.checkClock(); err != nil {
		return nil, err
	}
	waitCtx, cancel := context.WithTimeout(ctx, permitTimeout)
	defer cancel()
	permit, err := s.RateLimiter.Acquire(waitCtx)
	switch {
	case err == nil:
		return permit, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case waitCtx.Err() != nil:
		return nil, deferFor(retry.Jitter(noPermitDelay, 0.5), "no permit for a call to Chargebee within "+permitTimeout.String())
	default:
		return nil, fmt.Errorf("acquire a permit: %w", err)
	}
}

// call acquires a permit and makes one call to Chargebee under it.
func (s *Settler) call(ctx context.Context, send func(context.Context, *ratelimit.Permit) error) error {
	permit, err := s.acquirePermit(ctx)
	if err != nil {
		return err
	}
	return s.callUnder(ctx, permit, send)
}

// read makes one call that reads. id is that of the invoice, subscription or customer (Breaker.Record). After a
// response that shows that the clock of this process is wrong, the error is that of checkClock.
func (s *Settler) read(ctx context.Context, id string, send func(context.Context, *ratelimit.Permit) error) error {
	err := s.call(ctx, func(ctx context.Context, permit *ratelimit.Permit) error {
		err := send(ctx, permit)
		s.Breaker.Record(id, err)
		return err
	})
	if clockErr := s.checkClock(); clockErr != nil {
		return clockErr
	}
	return err
}

// callUnder makes one call under the permit. If the permit expires before the call starts, callUnder acquires a
// second permit. If that expires too, the error is a deferral.
func (s *Settler) callUnder(ctx context.Context, permit *ratelimit.Permit, send func(context.Context, *ratelimit.Permit) error) error {
	err := s.spend(ctx, permit, send)
	if errors.Is(err, ratelimit.ErrExpired) {
		if permit, err = s.acquirePermit(ctx); err == nil {
			err = s.spend(ctx, permit, send)
		}
	}
	if errors.Is(err, ratelimit.ErrExpired) { // this process is slow
		return deferFor(retry.Jitter(callLimitDelay, 0.75), err.Error())
	}
	return err
}

// spend makes one call. If the response is that the site is over its limit, it pauses the rate limiter.
func (s *Settler) spend(ctx context.Context, permit *ratelimit.Permit, send func(context.Context, *ratelimit.Permit) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.Settings.CallTimeout)
	defer cancel()

	return ratelimit.DoUnder(s.RateLimiter, permit, func(permit *ratelimit.Permit) error { return send(ctx, permit) })
}

// untilAnswered repeats a read while Chargebee answers that the site is over its limit. The rate limiter
// delays the next attempt.
func untilAnswered(read func() error) error {
	for {
		if err := read(); !errors.Is(err, errReload) {
			return err
		}
	}
}
