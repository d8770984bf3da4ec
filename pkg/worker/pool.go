package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	maxReceive     = 10               // messages per receive
	receiveTimeout = 30 * time.Second // of one receive
	outcomeTimeout = 5 * time.Second  // to apply one outcome

	// coalesceDelay is the wait for further slots before a receive: SQS bills a receive of one
	// message as one of ten.
	coalesceDelay = 50 * time.Millisecond

	// maxRetryDelay is below the 12 hours that SQS allows from a receive on, heartbeats included.
	maxRetryDelay = 11 * time.Hour
)

var (
	// ErrShutdownTimeout is the cause of a handler's canceled context after DrainTimeout.
	ErrShutdownTimeout = errors.New("worker: shutdown timeout")
	// ErrVisibilityExpired is the cause of a handler's canceled context when other
	// consumers can receive its message.
	ErrVisibilityExpired = errors.New("worker: visibility timeout expired")
	// ErrDeadline means that handlers were still running after all timeouts.
	ErrDeadline = errors.New("worker: handlers did not end in time")

	receiveBackoff = retry.Backoff{First: 100 * time.Millisecond, Max: 10 * time.Second}
	failureBackoff = retry.Backoff{First: 5 * time.Second, Max: 15 * time.Minute}
)

// Pool handles up to Concurrency messages at once. All fields but Gates are required.
type Pool struct {
	Queue       Queue
	DeadLetters DeadLetters
	Handler     Handler
	Gates       []Gate // each may block or limit a receive; may be nil
	Observer    Observer

	Concurrency       int
	VisibilityTimeout time.Duration // of a message without heartbeats
	HeartbeatInterval time.Duration
	DrainTimeout      time.Duration // for running handlers, after the last receive
	SettleTimeout     time.Duration // for canceled handlers to return and apply their outcomes

	receiving atomic.Int64 // start of the running receive in unix nanoseconds, 0 if none
}

// Run handles messages until ctx ends, then drains. It returns ErrDeadline if handlers did
// not end in time.
func (p *Pool) Run(ctx context.Context) error {
	handlerCtx, cancelHandlers := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelHandlers(nil)
	outcomeCtx, cancelOutcomes := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelOutcomes()

	var handlers sync.WaitGroup
	slots := semaphore.NewWeighted(int64(p.Concurrency))
	p.poll(ctx, slots, func(message queue.Message) {
		handlers.Go(func() {
			defer slots.Release(1)
			p.handle(handlerCtx, outcomeCtx, message)
		})
	})

	ended := make(chan struct{})
	go func() {
		handlers.Wait()
		close(ended)
	}()
	if endsWithin(p.DrainTimeout, ended) {
		return nil
	}
	cancelHandlers(ErrShutdownTimeout)
	if endsWithin(p.SettleTimeout, ended) {
		return nil
	}
	cancelOutcomes()
	return ErrDeadline
}

func endsWithin(timeout time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// poll receives messages until ctx ends, however many receives fail.
func (p *Pool) poll(ctx context.Context, slots *semaphore.Weighted, start func(queue.Message)) {
	failures := 0
	for {
		acquired := p.acquireSlots(ctx, slots)
		if acquired == 0 {
			return
		}
		messages, err := p.receive(ctx, acquired)
		slots.Release(int64(acquired - len(messages)))
		for _, message := range messages {
			start(message)
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if ctx.Err() != nil {
			return
		}
		p.Observer.Failed("receive", err)
		if retry.Wait(ctx, receiveBackoff.Jittered(failures), nil) != nil {
			return
		}
	}
}

// acquireSlots waits for a free slot and the gates, and acquires further free slots. It returns 0 if ctx
// has ended, or a gate has failed.
func (p *Pool) acquireSlots(ctx context.Context, slots *semaphore.Weighted) int {
	if slots.Acquire(ctx, 1) != nil {
		return 0
	}
	limit := min(maxReceive, p.Concurrency)
	for _, gate := range p.Gates {
		allowed, err := gate.Wait(ctx)
		if err != nil {
			return 0
		}
		limit = min(limit, allowed)
	}
	acquired := coalesce(ctx, slots, limit)
	if ctx.Err() != nil {
		return 0
	}
	return acquired
}

// coalesce acquires up to limit slots; the caller already has one. It takes all free slots. As long as it
// has fewer than half of the limit, it also waits for others, up to coalesceDelay.
func coalesce(ctx context.Context, slots *semaphore.Weighted, limit int) (acquired int) {
	ctx, cancel := context.WithTimeout(ctx, coalesceDelay)
	defer cancel()
	acquired = 1
	for acquired < limit && (slots.TryAcquire(1) || acquired < limit/2 && slots.Acquire(ctx, 1) == nil) {
		acquired++
	}
	return acquired
}

// receive receives once, with a context that does not end at shutdown.
func (p *Pool) receive(ctx context.Context, limit int) ([]queue.Message, error) {
	p.receiving.Store(time.Now().UnixNano())
	defer p.receiving.Store(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTimeout)
	defer cancel()
	return p.Queue.Receive(ctx, limit)
}

// Alive returns an error if a receive hangs.
func (p *Pool) Alive() error {
	started := p.receiving.Load()
	if started == 0 {
		return nil
	}
	if elapsed := time.Since(time.Unix(0, started)); elapsed > 2*receiveTimeout {
		return fmt.Errorf("worker: receive hangs for %s", elapsed.Round(time.Second))
	}
	return nil
}

// handle calls the handler and carries out its outcome.
func (p *Pool) handle(handlerCtx, outcomeCtx context.Context, message queue.Message) {
	delivery := &queue.Delivery{Message: message}
	ctx, cancel := context.WithCancelCause(handlerCtx)
	heartbeatEnded := p.startHeartbeat(ctx, cancel, delivery)
	outcome := p.call(ctx, delivery) //mutant:handler-call
	expired := errors.Is(context.Cause(ctx), ErrVisibilityExpired)
	cancel(nil)
	<-heartbeatEnded

	outcomeCtx, cancelOutcome := context.WithTimeout(outcomeCtx, outcomeTimeout)
	defer cancelOutcome()
	err := p.carryOut(outcomeCtx, message, outcome, expired)
	p.Observer.Handled(message, outcome, err)
}

// call calls the handler. A panic becomes a retry.
func (p *Pool) call(ctx context.Context, delivery *queue.Delivery) (outcome queue.Outcome) {
	defer func() {
		if recovered := recover(); recovered != nil {
			p.Observer.Failed("handle", fmt.Errorf("worker: panic: %v\n%s", recovered, debug.Stack()))
			outcome = queue.Outcome{Delay: failureBackoff.Jittered(delivery.ReceiveCount)}
		}
	}()
	return p.Handler.Handle(ctx, delivery)
}

func (p *Pool) carryOut(ctx context.Context, message queue.Message, outcome queue.Outcome, expired bool) error {
	switch outcome.Action {
	case queue.Ack:
		return p.Queue.Delete(ctx, message)
	case queue.DeadLetter:
		failed := queue.FailedMessage{Message: message, Reason: outcome.Reason, Detail: outcome.Detail}
		if err := p.DeadLetters.Send(ctx, failed); err != nil { //mutant:dead-letter-send
			// The message is delivered again, with the same outcome.
			return errors.Join(err, p.Queue.ChangeVisibility(ctx, message, failureBackoff.Jittered(message.ReceiveCount)))
		}
		return p.Queue.Delete(ctx, message)
	default:
		if expired {
			return nil // another consumer may have it
		}
		return p.Queue.ChangeVisibility(ctx, message, min(outcome.Delay, maxRetryDelay))
	}
}
