package retry

import (
	"context"
	"time"
)

// Wait blocks until the delay has passed or wake is closed or sent to. If ctx ends first,
// it returns the cause. wake may be nil.
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
