package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// startHeart keeps the message invisible, and beats for what the handler holds,
// until ctx ends. It cancels the handling when either is lost. The returned channel
// is closed when the heartbeat has ended.
func (p *Pool) startHeart(ctx context.Context, cancel context.CancelCauseFunc, delivery *queue.Delivery) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hiddenUntil := time.Now().Add(p.Visibility)
		timer := time.NewTimer(p.Beat)
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
			if err := p.beat(ctx, delivery, &hiddenUntil); err != nil && ctx.Err() == nil { //mutant:heartbeat
				p.Observer.Failed("heartbeat", err)
				cancel(err)
				return
			}
			// One that waited for the handler to be through with something may find it
			// through with everything: the next is never at the same moment.
			timer.Reset(max(p.Beat-time.Since(started), p.Beat/10))
		}
	}()
	return ended
}

// beat extends both. A visibility that could not be extended is lost only once it
// has run out.
func (p *Pool) beat(ctx context.Context, delivery *queue.Delivery, hiddenUntil *time.Time) error {
	beating, cancel := context.WithTimeout(ctx, p.Beat)
	defer cancel()
	now := time.Now()
	err := p.Queue.Hide(beating, delivery.Message, p.Visibility)
	switch {
	case err == nil:
		*hiddenUntil = now.Add(p.Visibility)
	case errors.Is(err, queue.ErrReceiptExpired) || !time.Now().Before(*hiddenUntil):
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	if err := delivery.Beat(ctx); err != nil {
		return fmt.Errorf("worker: the handler's hold was lost: %w", err)
	}
	return nil
}
