package testbed

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

// Poll calls isDone until it returns true or an error, or until ctx ends, whose cause Poll returns.
func Poll(ctx context.Context, interval time.Duration, isDone func() (bool, error)) error {
	for {
		if done, err := isDone(); done || err != nil {
			return err
		}
		if err := retry.Wait(ctx, interval, nil); err != nil {
			return err
		}
	}
}
