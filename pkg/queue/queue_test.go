package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/billable-events/billable/pkg/queue"
)

func TestDelivery_Heartbeat(t *testing.T) {
	t.Parallel()
	var delivery queue.Delivery
	if err := delivery.Heartbeat(t.Context()); err != nil {
		t.Errorf("without a beat: got %v", err)
	}

	type key struct{}
	lost := errors.New("the lease is lost")
	delivery.SetHeartbeat(func(ctx context.Context) error { return fmt.Errorf("%v: %w", ctx.Value(key{}), lost) })
	err := delivery.Heartbeat(context.WithValue(t.Context(), key{}, "its context"))
	if !errors.Is(err, lost) || err.Error() != "its context: the lease is lost" {
		t.Errorf("got %v", err)
	}

	delivery.SetHeartbeat(func(context.Context) error { return nil })
	if err := delivery.Heartbeat(t.Context()); err != nil {
		t.Errorf("the first beat was called again: %v", err)
	}
}

// TestDelivery_HeartbeatIsConcurrent: the heartbeat runs while the handler sets its beat.
func TestDelivery_HeartbeatIsConcurrent(t *testing.T) {
	t.Parallel()
	var delivery queue.Delivery
	var beats atomic.Int64
	set := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100 {
				_ = delivery.Heartbeat(t.Context())
			}
			<-set
			_ = delivery.Heartbeat(t.Context()) // surely counted
		})
	}
	for range 100 {
		delivery.SetHeartbeat(func(context.Context) error {
			beats.Add(1)
			return nil
		})
	}
	close(set)
	group.Wait()
	if beats.Load() < 4 {
		t.Errorf("%d beats, want at least 4", beats.Load())
	}
}

func TestAction_ZeroIsRetry(t *testing.T) {
	t.Parallel()
	var none queue.Outcome
	for verdict, want := range map[queue.Action]string{
		none.Action:      "retry",
		queue.Retry:      "retry",
		queue.Ack:        "done",
		queue.DeadLetter: "reject",
		queue.Action(99): "retry",
	} {
		if got := verdict.String(); got != want {
			t.Errorf("%d is %q, want %q", int(verdict), got, want)
		}
	}
}

func ExampleDelivery_SetHeartbeat() {
	delivery := &queue.Delivery{Message: queue.Message{ID: "m1"}}

	// The handler registers what has to happen while it runs …
	delivery.SetHeartbeat(func(context.Context) error {
		fmt.Println("the lease is extended")
		return nil
	})

	// … and the pool calls it whenever it keeps the message invisible.
	if err := delivery.Heartbeat(context.Background()); err != nil {
		fmt.Println("stop the handler:", err)
	}
	// Output: the lease is extended
}
