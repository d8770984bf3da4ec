package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

func TestDo(t *testing.T) {
	t.Parallel()
	var (
		busy      = errors.New("busy")
		permanent = errors.New("permanent")
		cause     = errors.New("shutdown")
	)
	for name, test := range map[string]struct {
		errs     []error // of the attempts; the last is repeated
		max      int
		deadline time.Duration
		cancel   time.Duration
		attempts int
		elapsed  time.Duration // at most: a quarter of each delay is jitter
		is       []error       // what the error wraps; empty: none
	}{
		"success":              {errs: []error{nil}, attempts: 1},
		"success after errors": {errs: []error{busy, busy, nil}, attempts: 3, elapsed: 3 * time.Second},
		"permanent error":      {errs: []error{busy, permanent}, attempts: 2, elapsed: time.Second, is: []error{permanent}},
		"all attempts":         {errs: []error{busy}, max: 3, attempts: 3, elapsed: 3 * time.Second, is: []error{busy}},
		"deadline before the next attempt": {
			errs: []error{busy}, deadline: 2 * time.Second, attempts: 2, elapsed: time.Second, is: []error{busy},
		},
		"canceled during a delay": {
			errs: []error{busy}, cancel: 1500 * time.Millisecond, attempts: 2, elapsed: 1500 * time.Millisecond, is: []error{busy, cause},
		},
		"canceled during an attempt": {
			errs: []error{busy, cause}, cancel: 1200 * time.Millisecond, attempts: 2, elapsed: 1200 * time.Millisecond, is: []error{busy, cause},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if test.deadline > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, test.deadline)
					defer stop()
				}
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, func() { cancel(cause) })
				}
				attempts := 0
				started := time.Now()
				backoff := retry.Backoff{First: time.Second, Max: time.Minute, Attempts: test.max}
				_, err := retry.Do(ctx, backoff, func(err error) bool { return errors.Is(err, busy) }, func(ctx context.Context) (struct{}, error) {
					err := test.errs[min(attempts, len(test.errs)-1)]
					attempts++
					if errors.Is(err, cause) {
						<-ctx.Done()
					}
					return struct{}{}, err
				})
				elapsed := time.Since(started)
				if attempts != test.attempts || elapsed > test.elapsed || elapsed < test.elapsed*3/4 {
					t.Errorf("%d attempts in %s, want %d in %s", attempts, elapsed, test.attempts, test.elapsed)
				}
				if (err == nil) != (len(test.is) == 0) {
					t.Errorf("got error %v", err)
				}
				for _, want := range test.is {
					if !errors.Is(err, want) {
						t.Errorf("%v does not wrap %v", err, want)
					}
				}
			})
		})
	}
}
