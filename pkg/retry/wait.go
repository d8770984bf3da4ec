package retry

import (
	"context"
	"time"
)

// Wait waits until the time has passed or wake is closed or sent to, unless ctx ends first; then
// it returns why. A nil wake wakes nobody.
func Wait(ctx context.Context, wait time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wake:
	case <-timer.C:
	}
	return nil
}
