package sqsqueue_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		health := sqsqueue.NewHealth(b.client, b.url)

		var askers sync.WaitGroup
		for range 20 {
			askers.Go(func() {
				if err := health.Check(); err != nil {
					t.Error(err)
				}
			})
		}
		askers.Wait()
		if b.called() != 1 {
			t.Errorf("20 askers made %d calls", b.called())
		}

		// What was good is so for 2 s, not longer.
		b.meetAlways(sandbox.Fault{Kind: sandbox.Refuse})
		time.Sleep(2*time.Second - 1)
		if err := health.Check(); err != nil {
			t.Errorf("within 2 s: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := health.Check(); !errors.Is(err, sqsqueue.ErrUnavailable) {
			t.Errorf("after 2 s: %v", err)
		}

		// A silent queue takes a second.
		time.Sleep(2 * time.Second)
		b.meetAlways(sandbox.Fault{Delay: time.Minute})
		started := time.Now()
		if err := health.Check(); err == nil || time.Since(started) != time.Second {
			t.Errorf("a silent queue: %v after %s", err, time.Since(started))
		}

		b.meet(nil)
		time.Sleep(time.Minute)
		if err := health.Check(); err != nil {
			t.Errorf("recovered: %v", err)
		}
		if err := sqsqueue.NewHealth(b.client, b.url+"-of-another-name").Check(); err == nil {
			t.Error("a queue that does not exist is healthy")
		}
	})
}
