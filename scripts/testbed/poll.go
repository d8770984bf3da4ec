package testbed

import (
	"context"
	"time"
)

// Sleep waits until the time has passed or ctx ends, whose cause it returns.
func Sleep(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Poll calls isDone until it returns true or an error, or until ctx ends, whose cause Poll returns.
func Poll(ctx context.Context, interval time.Duration, isDone func() (bool, error)) error {
	for {
		if done, err := isDone(); done || err != nil {
			return err
		}
		if err := Sleep(ctx, interval); err != nil {
			return err
		}
	}
}
