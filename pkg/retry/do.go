package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Do calls op until it succeeds or fails with an error that is not retryable, and returns
// what the last call returned. Between calls it waits for the delay of the backoff. It also
// returns after backoff.Attempts calls, or if the deadline of ctx is before the next call.
//
// If ctx ends during a delay or a repeated call, the error wraps the cause of ctx and the
// error of the call before.
func Do[Result any](ctx context.Context, backoff Backoff, retryable func(error) bool, op func(context.Context) (Result, error)) (Result, error) {
	var previous error
	for attempt := 1; ; attempt++ {
		result, err := op(ctx)
		switch {
		case err == nil:
			return result, nil
		case previous != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return result, fmt.Errorf("%w: last attempt: %w", err, previous)
		case attempt == backoff.Attempts || !retryable(err):
			return result, err
		}
		previous = err
		delay := backoff.Jittered(attempt)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return result, err
		}
		if cause := Wait(ctx, delay, nil); cause != nil {
			return result, fmt.Errorf("%w: last attempt: %w", cause, err)
		}
	}
}
