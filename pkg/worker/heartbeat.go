package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// startHeartbeat sends heartbeats for the delivery until ctx ends, and cancels the handler
// if one fails. The returned channel is closed when the heartbeat has ended.
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
			started := time.Now()
			if ctx.Err() != nil {
				return // both were ready
			}
			if err := p.heartbeat(ctx, delivery, &hiddenUntil); err != nil && ctx.Err() == nil { //mutant:heartbeat
				p.Observer.Failed("heartbeat", err)
				cancel(err)
				return
			}
			// A heartbeat can wait for a lock that the handler holds, and follow the end of the
			// handler. The minimum lets the end of ctx arrive before the next one.
			timer.Reset(max(p.HeartbeatInterval-time.Since(started), p.HeartbeatInterval/10))
		}
	}()
	return ended
}

// heartbeat extends the visibility timeout, and calls the heartbeat of the handler. A
// failed extension is an error only once the message is visible.
func (p *Pool) heartbeat(ctx context.Context, delivery *queue.Delivery, hiddenUntil *time.Time) error {
	extendCtx, cancel := context.WithTimeout(ctx, p.HeartbeatInterval)
	defer cancel()
	now := time.Now()
	err := p.Queue.ChangeVisibility(extendCtx, delivery.Message, p.VisibilityTimeout)
	switch {
	case err == nil:
		*hiddenUntil = now.Add(p.VisibilityTimeout)
	case errors.Is(err, queue.ErrReceiptExpired) || !time.Now().Before(*hiddenUntil):
		return fmt.Errorf("%w: %w", ErrVisibilityExpired, err)
	}
	if err := delivery.Heartbeat(ctx); err != nil {
		return fmt.Errorf("worker: heartbeat of the handler: %w", err)
	}
	return nil
}
