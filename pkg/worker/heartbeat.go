package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// startHeartbeat sends heartbeats for the delivery in a goroutine until ctx, the context of the handler,
// ends. After a failed heartbeat it cancels ctx. The returned channel is closed when the goroutine ends.
func (p *Pool) startHeartbeat(ctx context.Context, cancel context.CancelCauseFunc, delivery *queue.Delivery) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hiddenUntil := time.Now().Add(p.VisibilityTimeout)
		timer := time.NewTimer(p.HeartbeatInterval)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			if ctx.Err() != nil {
				return // ctx and timer were ready, and select chose the timer
			}
			started := time.Now()
			if err := p.heartbeat(ctx, delivery, &hiddenUntil); err != nil && ctx.Err() == nil { //mutant:heartbeat
				p.Observer.Failed("heartbeat", err)
				cancel(err)
				return
			}
			// A long heartbeat can have waited for a lock that the handler held until its end. The
			// minimum is time for the pool to end ctx before the next heartbeat.
			timer.Reset(max(p.HeartbeatInterval-time.Since(started), p.HeartbeatInterval/10))
		}
	}()
	return ended
}

// heartbeat extends the visibility timeout and calls the heartbeat of the handler. A failed extension is an
// error only if other consumers can receive the message: SQS reports this, or hiddenUntil has passed.
func (p *Pool) heartbeat(ctx context.Context, delivery *queue.Delivery, hiddenUntil *time.Time) error {
	extendCtx, cancel := context.WithTimeout(ctx, p.HeartbeatInterval)
	defer cancel()
	started := time.Now()
	err := p.Queue.ChangeVisibility(extendCtx, delivery.Message, p.VisibilityTimeout)
	switch {
	case err == nil:
		*hiddenUntil = started.Add(p.VisibilityTimeout)
	case errors.Is(err, queue.ErrReceiptExpired) || !time.Now().Before(*hiddenUntil):
		return fmt.Errorf("%w: %w", ErrVisibilityExpired, err)
	}
	if err := delivery.Heartbeat(ctx); err != nil {
		return fmt.Errorf("worker: heartbeat of the handler: %w", err)
	}
	return nil
}
