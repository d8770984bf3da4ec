package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/retry"
)

func TestWait(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	for name, test := range map[string]struct {
		end, wake time.Duration // 0: never
		took      time.Duration
		err       error
	}{
		"the time passes": {0, 0, time.Minute, nil},
		"woken":           {0, time.Second, time.Second, nil},
		"the context":     {time.Second, 0, time.Second, cause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var wake chan struct{}
				if test.end > 0 {
					time.AfterFunc(test.end, func() { cancel(cause) })
				}
				if test.wake > 0 {
					wake = make(chan struct{})
					time.AfterFunc(test.wake, func() { close(wake) })
				}
				started := time.Now()
				if err := retry.Wait(ctx, time.Minute, wake); !errors.Is(err, test.err) || time.Since(started) != test.took {
					t.Errorf("after %s: %v", time.Since(started), err)
				}
			})
		})
	}
}
