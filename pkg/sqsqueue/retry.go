package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/retry"
)

var attemptBackoff = retry.Backoff{First: 50 * time.Millisecond, Most: time.Second}

// untilDone repeats what failed for a passing reason for as long as the context
// leaves time for it. It waits for no deadline that it cannot meet: who asked can be
// told at once.
func untilDone[Result any](ctx context.Context, do func(context.Context) (Result, error)) (Result, error) {
	var last error
	for attempt := 1; ; attempt++ {
		result, err := do(ctx)
		fault, failed := errors.AsType[*failure](err)
		switch {
		case err == nil:
			return result, nil
		case !failed && ctx.Err() != nil:
			return result, ended(ctx, last)
		case !failed || !fault.passes():
			return result, err
		}
		last = err
		wait := attemptBackoff.Jittered(attempt)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return result, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return result, ended(ctx, last)
		}
	}
}

// ended tells that the time was over, and what the last attempt had failed for.
func ended(ctx context.Context, last error) error {
	if last == nil {
		return fmt.Errorf("%w: no answer in time: %w", ErrUnavailable, context.Cause(ctx))
	}
	return fmt.Errorf("%w: no success in time: %w: %w", ErrUnavailable, context.Cause(ctx), last)
}

// once makes a call without the SDK's own repetitions, for those who repeat
// themselves.
func once(options *sqs.Options) { options.Retryer = aws.NopRetryer{} }
