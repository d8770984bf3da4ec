package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

var attemptBackoff = retry.Backoff{First: 50 * time.Millisecond, Max: time.Second}

// untilDone repeats op after retryable failures until ctx ends, or earlier if the next delay
// would exceed its deadline.
func untilDone[Result any](ctx context.Context, op func(context.Context) (Result, error)) (Result, error) {
	retryable := func(err error) bool {
		failed, ok := errors.AsType[*failure](err)
		return ok && failed.retryable()
	}
	result, err := retry.Do(ctx, attemptBackoff, retryable, op)
	// ctx ended before the first response.
	if err != nil && ctx.Err() != nil && !as[*failure](err) {
		err = fmt.Errorf("%w: no response: %w", ErrUnavailable, err)
	}
	return result, err
}
