package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Do calls op until it succeeds or fails with an error that is not retryable, and returns
// what the last call returned. Between calls it waits for the delay of the backoff. It also
// gives up after backoff.Attempts calls, and as soon as the next delay would exceed the
// deadline of ctx.
//
// If ctx ends first, the error wraps its cause and the error of the last complete attempt.
func Do[Result any](ctx context.Context, backoff Backoff, retryable func(error) bool, op func(context.Context) (Result, error)) (Result, error) {
	var last error
	for attempt := 1; ; attempt++ {
		result, err := op(ctx)
		switch {
		case err == nil:
			return result, nil
		case last != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return result, fmt.Errorf("%w: last attempt: %w", err, last)
		case attempt == backoff.Attempts || !retryable(err):
			return result, err
		}
		last = err
		delay := backoff.Jittered(attempt)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return result, err
		}
		if cause := Wait(ctx, delay, nil); cause != nil {
			return result, fmt.Errorf("%w: last attempt: %w", cause, err)
		}
	}
}
