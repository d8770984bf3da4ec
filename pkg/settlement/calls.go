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

const (
	permitTimeout     = 5 * time.Minute  // maximum wait for a permit
	outageDelay       = 10 * time.Second // while Chargebee does not answer
	unauthorizedDelay = time.Minute      // while Chargebee refuses the credentials or the site
	lockDelay         = 3 * time.Second  // while another call on the same invoice is in progress
	readAgainDelay    = time.Minute      // after an invoice could not be read
	clockDelay        = 10 * time.Second // while the clock of this process is wrong
)

// asFailure returns the failed call in err, if there is one.
func asFailure(err error) (*billing.Failure, bool) {
	return errors.AsType[*billing.Failure](err)
}

// isNotFound reports whether an invoice could not be read because it does not exist.
func isNotFound(err error) bool {
	failure, failed := asFailure(err)
	return failed && failure.IsNotFound()
}

// isRefusal reports whether Chargebee will not do what was requested.
func isRefusal(failure *billing.Failure) bool {
	return failure.Kind == billing.Permanent || failure.Kind == billing.Missing
}

// checkClock returns a deferral while the clock of this process is wrong: decisions about leases and
// idempotency keys would be wrong too. Another process may have the right time.
func (s *Settler) checkClock() error {
	if reason := s.Breaker.ClockError(); reason != "" {
		return deferFor(clockDelay, reason)
	}
	return nil
}

// permit waits for the permit of one call.
func (s *Settler) permit(ctx context.Context) (*ratelimit.Permit, error) {
	if err := s.checkClock(); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, permitTimeout)
	defer cancel()
	permit, err := s.RateLimiter.Acquire(waiting)
	switch {
	case err == nil:
		return permit, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case waiting.Err() != nil:
		return nil, deferFor(retry.Jitter(time.Minute, 0.5), "no permit for a call to Chargebee within "+permitTimeout.String())
	default:
		return nil, fmt.Errorf("acquire a permit: %w", err)
	}
}

// call acquires a permit and makes one call to Chargebee under it.
func (s *Settler) call(ctx context.Context, send func(context.Context, *ratelimit.Permit) error) error {
	permit, err := s.permit(ctx)
	if err != nil {
		return err
	}
	return s.callUnder(ctx, permit, send)
}

// read makes one call that reads. id is that of the invoice, subscription or customer. If the response shows
// that the clock of this process is wrong, it is not used.
func (s *Settler) read(ctx context.Context, id string, send func(context.Context, *ratelimit.Permit) error) error {
	err := s.call(ctx, func(ctx context.Context, permit *ratelimit.Permit) error {
		err := send(ctx, permit)
		s.Breaker.Record(id, err)
		return err
	})
	if clock := s.checkClock(); clock != nil {
		return clock
	}
	return err
}

// callUnder makes one call under the permit. If the permit expires before the call starts, it acquires
// another one, once.
func (s *Settler) callUnder(ctx context.Context, permit *ratelimit.Permit, send func(context.Context, *ratelimit.Permit) error) error {
	err := s.spend(ctx, permit, send)
	if errors.Is(err, ratelimit.ErrExpired) {
		if permit, err = s.permit(ctx); err == nil {
			err = s.spend(ctx, permit, send)
		}
	}
	if errors.Is(err, ratelimit.ErrExpired) { // this process is slow
		return deferFor(retry.Jitter(lockDelay, 0.75), err.Error())
	}
	return err
}

// spend makes one call. A response that the site is over its limit pauses the rate limiter.
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
