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
	permitWait       = 5 * time.Minute  // the longest wait for a permit under the lease
	outageWait       = 10 * time.Second // between two looks at a Chargebee that answers nobody
	unauthorizedWait = time.Minute      // between two looks at a site that refuses us
	lockWait         = 3 * time.Second  // the longest wait for another call on the same invoice
	readAgainWait    = time.Minute      // until an invoice that could not be read is read again
)

// asFailure returns the failed call in err, if err is one.
func asFailure(err error) (*billing.Failure, bool) {
	return errors.AsType[*billing.Failure](err)
}

// notThere reports whether an invoice could not be read because it does not exist.
func isNotFound(err error) bool {
	failure, failed := asFailure(err)
	return failed && failure.IsNotFound()
}

// isRefusal reports whether Chargebee will not do what was asked for.
func isRefusal(failure *billing.Failure) bool {
	return failure.Kind == billing.Permanent || failure.Kind == billing.Missing
}

// permit waits for the permit of one call.
func (s *Settler) permit(ctx context.Context) (*ratelimit.Permit, error) {
	waiting, cancel := context.WithTimeout(ctx, permitWait)
	defer cancel()
	permit, err := s.RateLimiter.Acquire(waiting)
	switch {
	case err == nil:
		return permit, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case waiting.Err() != nil:
		return nil, deferFor(retry.Jitter(time.Minute, 0.5), "no call to Chargebee was free for "+permitWait.String())
	default:
		return nil, fmt.Errorf("wait for a permit: %w", err)
	}
}

// call makes one call to Chargebee under a permit of its own.
func (s *Settler) call(ctx context.Context, send func(context.Context, *ratelimit.Permit) error) error {
	permit, err := s.permit(ctx)
	if err != nil {
		return err
	}
	return s.callUnder(ctx, permit, send)
}

// callUnder makes one call under the given permit, and under another one if that has
// expired when the call could start.
func (s *Settler) callUnder(ctx context.Context, permit *ratelimit.Permit, send func(context.Context, *ratelimit.Permit) error) error {
	err := s.spend(ctx, permit, send)
	if errors.Is(err, ratelimit.ErrExpired) {
		if permit, err = s.permit(ctx); err == nil {
			err = s.spend(ctx, permit, send)
		}
	}
	if errors.Is(err, ratelimit.ErrExpired) { // this process is slow
		return deferFor(retry.Jitter(lockWait, 0.75), err.Error())
	}
	return err
}

// spend makes one call, and pauses the rate limiter if the site is over its limit.
func (s *Settler) spend(ctx context.Context, permit *ratelimit.Permit, send func(context.Context, *ratelimit.Permit) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.Settings.CallTimeout)
	defer cancel()

	err := send(ctx, permit)
	if failure, failed := asFailure(err); failed && failure.IsSiteLimit() {
		s.RateLimiter.Pause(permit, failure.RetryAfter)
	}
	return err
}

// untilAnswered repeats what reads invoices for as long as the site's limit interrupts it;
// the rate limiter has it wait.
func untilAnswered(read func() error) error {
	for {
		if err := read(); !errors.Is(err, errReload) {
			return err
		}
	}
}
