package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

var attemptBackoff = retry.Backoff{First: 50 * time.Millisecond, Max: time.Second}

// untilDone calls op, again after each retryable failure, until ctx ends or its deadline is before the
// next call. The error wraps a *failure, ErrClosed, or ErrUnavailable if ctx ended before the first response.
func untilDone[Result any](ctx context.Context, op func(context.Context) (Result, error)) (Result, error) {
	isRetryable := func(err error) bool {
		failed, ok := errors.AsType[*failure](err)
		return ok && failed.isRetryable()
	}
	result, err := retry.Do(ctx, attemptBackoff, isRetryable, op)
	if err != nil && ctx.Err() != nil && !as[*failure](err) {
		err = fmt.Errorf("%w: no response: %w", ErrUnavailable, err)
	}
	return result, err
}
