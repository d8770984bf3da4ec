package retry

import (
	"context"
	"time"
)

// Wait blocks until the delay has passed, or a receive from wake succeeds; wake may be nil. If
// ctx ends first, Wait returns the cause of ctx.
func Wait(ctx context.Context, delay time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wake:
	case <-timer.C:
	}
	return nil
}
