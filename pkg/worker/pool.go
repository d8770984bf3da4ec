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
	outcomeTimeout = 5 * time.Second  // to carry out one outcome

	// coalesceDelay is the maximum wait for further slots before a receive. SQS charges the same for a
	// receive of one message and of ten.
	coalesceDelay = 50 * time.Millisecond

	// maxRetryDelay leaves an hour for the handler: SQS hides a message for at most 12 h after a receive.
	maxRetryDelay = 11 * time.Hour
)

var (
	// ErrShutdownTimeout is the cause of a handler's context that was canceled after DrainTimeout.
	ErrShutdownTimeout = errors.New("worker: shutdown timeout")
	// ErrVisibilityExpired is the cause of a handler's context that was canceled because
	// other consumers can receive the message.
	ErrVisibilityExpired = errors.New("worker: visibility timeout expired")
	// ErrDeadline means that handlers were still running after all timeouts.
	ErrDeadline = errors.New("worker: handlers did not end in time")

	// receiveBackoff is between failed receives, failureBackoff between deliveries of a
	// message whose handler panicked or whose dead letter could not be sent.
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
	VisibilityTimeout time.Duration // of a received message, and again after each heartbeat
	HeartbeatInterval time.Duration
	DrainTimeout      time.Duration // for running handlers, after the last receive
	SettleTimeout     time.Duration // for canceled handlers to return, and for their outcomes

	receiveStarted atomic.Int64 // of the running receive, in unix nanoseconds; 0 if none runs
}

// Run handles messages until ctx ends, then shuts down (see the package comment). It returns ErrDeadline if
// handlers did not end in time.
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

// poll receives messages until ctx ends. Receives that fail do not end it. Each message has a slot, which
// start must release; at the end, poll may leave slots acquired.
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

// acquireSlots waits for a free slot and then for the gates, and acquires further slots with coalesce. It
// returns the number of acquired slots, 0 if ctx has ended.
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

// coalesce acquires free slots until it has limit slots, with the one that the caller has. While it has
// fewer than half of the limit, it also waits for slots to become free, up to coalesceDelay in total.
func coalesce(ctx context.Context, slots *semaphore.Weighted, limit int) (acquired int) {
	ctx, cancel := context.WithTimeout(ctx, coalesceDelay)
	defer cancel()
	acquired = 1
	for acquired < limit && (slots.TryAcquire(1) || acquired < limit/2 && slots.Acquire(ctx, 1) == nil) {
		acquired++
	}
	return acquired
}

// receive makes one receive, which the end of ctx does not cancel.
func (p *Pool) receive(ctx context.Context, limit int) ([]queue.Message, error) {
	p.receiveStarted.Store(time.Now().UnixNano())
	defer p.receiveStarted.Store(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTimeout)
	defer cancel()
	return p.Queue.Receive(ctx, limit)
}

// Alive returns an error if a receive takes longer than twice receiveTimeout.
func (p *Pool) Alive() error {
	started := p.receiveStarted.Load()
	if started == 0 {
		return nil
	}
	if elapsed := time.Since(time.Unix(0, started)); elapsed > 2*receiveTimeout {
		return fmt.Errorf("worker: receive hangs for %s", elapsed.Round(time.Second))
	}
	return nil
}

// handle calls the handler with heartbeats, and carries out its outcome.
func (p *Pool) handle(handlerCtx, outcomeCtx context.Context, message queue.Message) {
	delivery := &queue.Delivery{Message: message}
	ctx, cancel := context.WithCancelCause(handlerCtx)
	heartbeatEnded := p.startHeartbeat(ctx, cancel, delivery)
	outcome := p.call(ctx, delivery) //mutant:handler-call
	visibilityExpired := errors.Is(context.Cause(ctx), ErrVisibilityExpired)
	cancel(nil)
	<-heartbeatEnded

	outcomeCtx, cancelOutcome := context.WithTimeout(outcomeCtx, outcomeTimeout)
	defer cancelOutcome()
	err := p.carryOut(outcomeCtx, message, outcome, visibilityExpired)
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

func (p *Pool) carryOut(ctx context.Context, message queue.Message, outcome queue.Outcome, visibilityExpired bool) error {
	switch outcome.Action {
	case queue.Ack:
		return p.Queue.Delete(ctx, message)
	case queue.DeadLetter:
		failed := queue.FailedMessage{Message: message, Reason: outcome.Reason, Detail: outcome.Detail}
		if err := p.DeadLetters.Send(ctx, failed); err != nil { //mutant:dead-letter-send
			// The message is delivered again, and its handler decides again.
			return errors.Join(err, p.Queue.ChangeVisibility(ctx, message, failureBackoff.Jittered(message.ReceiveCount)))
		}
		return p.Queue.Delete(ctx, message)
	default:
		if visibilityExpired {
			return nil // another consumer may have received the message
		}
		return p.Queue.ChangeVisibility(ctx, message, min(outcome.Delay, maxRetryDelay))
	}
}
