package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	maxBatch     = 10               // messages per receive
	pollLimit    = 30 * time.Second // a receive that takes longer hangs
	settleBudget = 5 * time.Second  // for one message

	// gathering is how long a free slot waits for others while messages are worked on: a
	// receive costs the same for one message as for ten, and slots become free one by one.
	gathering = 50 * time.Millisecond
)

var (
	// ErrDrained is the cause with which a handling ends at shutdown.
	ErrDrained = errors.New("worker: the time to finish work is over")
	// ErrLost is the cause with which a handling ends when its message is no longer
	// its own.
	ErrLost = errors.New("worker: the message was lost")
	// ErrDeadline says that handlings were still running when all deadlines had passed.
	ErrDeadline = errors.New("worker: handlings did not end in time")

	receiveBackoff = retry.Backoff{First: 100 * time.Millisecond, Most: 10 * time.Second}
	failureBackoff = retry.Backoff{First: 5 * time.Second, Most: 15 * time.Minute}
)

// Pool handles messages, so many at once. All fields are required.
type Pool struct {
	Queue       Queue
	DeadLetters DeadLetters
	Handler     Handler
	Gates       []Gate // all must be open before a message is received
	Observer    Observer

	Concurrency   int
	Visibility    time.Duration // how long a message stays ours without a heartbeat
	Beat          time.Duration // between heartbeats
	DrainTimeout  time.Duration // for work in progress, once Run's context ended
	SettleTimeout time.Duration // to carry out what finished, after that

	receiving atomic.Int64 // unix nanoseconds since when a receive is under way
}

// Run works until ctx ends, then drains. It returns ErrDeadline if handlings did
// not end in time; a message given back before is none.
func (p *Pool) Run(ctx context.Context) error {
	working, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(nil)
	settling, stopSettling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSettling()

	var handlings sync.WaitGroup
	slots := make(chan struct{}, p.Concurrency)
	p.poll(ctx, slots, func(message queue.Message) {
		handlings.Go(func() {
			defer func() { <-slots }()
			p.handle(working, settling, message)
		})
	})

	ended := make(chan struct{})
	go func() {
		handlings.Wait()
		close(ended)
	}()
	if waitFor(ended, p.DrainTimeout) {
		return nil
	}
	stopWork(ErrDrained)
	if waitFor(ended, p.SettleTimeout) {
		return nil
	}
	stopSettling()
	return ErrDeadline
}

func waitFor(ended <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// poll receives messages as long as ctx lives. It survives any number of errors.
func (p *Pool) poll(ctx context.Context, slots chan struct{}, start func(queue.Message)) {
	failures := 0
	for {
		free := p.takeSlots(ctx, slots)
		if free == 0 {
			return
		}
		messages, err := p.receive(ctx, free)
		for range free - len(messages) {
			<-slots
		}
		for _, message := range messages {
			start(message)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			p.Observer.Failed("receive", err)
			if retry.Wait(ctx, receiveBackoff.Jittered(failures), nil) != nil {
				return
			}
		default:
			failures = 0
		}
	}
}

// takeSlots waits for a free slot and the gates, and takes what further slots are
// free, or become so within a moment. It returns 0 when ctx has ended.
func (p *Pool) takeSlots(ctx context.Context, slots chan struct{}) int {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	most := min(maxBatch, p.Concurrency)
	for _, gate := range p.Gates {
		allowed, err := gate.Wait(ctx)
		if err != nil {
			<-slots
			return 0
		}
		most = min(most, allowed)
	}
	taken := gather(ctx, slots, most)
	if ctx.Err() != nil {
		for range taken {
			<-slots
		}
		return 0
	}
	return taken
}

// gather takes up to most slots, of which one is taken already: those that are free,
// and while that is less than half of them, those that become so within a moment.
func gather(ctx context.Context, slots chan struct{}, most int) (taken int) {
	moment := time.NewTimer(gathering)
	defer moment.Stop()
	for taken = 1; taken < most; taken++ {
		select {
		case slots <- struct{}{}:
			continue
		default:
		}
		if taken >= most/2 {
			return taken
		}
		select {
		case slots <- struct{}{}:
		case <-moment.C:
			return taken
		case <-ctx.Done():
			return taken
		}
	}
	return taken
}

// receive polls once, with a context that does not end at shutdown.
func (p *Pool) receive(ctx context.Context, most int) ([]queue.Message, error) {
	p.receiving.Store(time.Now().UnixNano())
	defer p.receiving.Store(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollLimit)
	defer cancel()
	return p.Queue.Receive(ctx, most)
}

// Alive returns an error when a receive hangs.
func (p *Pool) Alive() error {
	since := p.receiving.Load()
	if since == 0 {
		return nil
	}
	if waiting := time.Since(time.Unix(0, since)); waiting > 2*pollLimit {
		return fmt.Errorf("worker: a receive hangs for %s", waiting.Round(time.Second))
	}
	return nil
}

// handle gives the message to the handler and carries out its outcome.
func (p *Pool) handle(working, settling context.Context, message queue.Message) {
	delivery := &queue.Delivery{Message: message}
	handling, cancel := context.WithCancelCause(working)
	heart := p.startHeart(handling, cancel, delivery)
	outcome := p.call(handling, delivery) //mutant:handler-call
	lost := errors.Is(context.Cause(handling), ErrLost)
	cancel(nil)
	<-heart

	settling, done := context.WithTimeout(settling, settleBudget)
	defer done()
	err := p.carryOut(settling, message, outcome, lost)
	p.Observer.Handled(message, outcome, err)
}

// call calls the handler; one that panics gives its message back.
func (p *Pool) call(ctx context.Context, delivery *queue.Delivery) (outcome queue.Outcome) {
	defer func() {
		if recovered := recover(); recovered != nil {
			p.Observer.Failed("handle", fmt.Errorf("worker: panic: %v\n%s", recovered, debug.Stack()))
			outcome = queue.Outcome{After: failureBackoff.Jittered(delivery.ReceiveCount)}
		}
	}()
	return p.Handler.Handle(ctx, delivery)
}

// carryOut does with the message what the handler asked for.
func (p *Pool) carryOut(ctx context.Context, message queue.Message, outcome queue.Outcome, lost bool) error {
	switch outcome.Verdict {
	case queue.Done:
		return p.Queue.Delete(ctx, message)
	case queue.Reject:
		letter := queue.DeadLetter{Message: message, Reason: outcome.Reason, Detail: outcome.Detail}
		if err := p.DeadLetters.Bury(ctx, letter); err != nil { //mutant:dead-letter-send
			// The message comes back, and the handler will say the same again.
			return errors.Join(err, p.Queue.Hide(ctx, message, failureBackoff.Jittered(message.ReceiveCount)))
		}
		return p.Queue.Delete(ctx, message)
	default:
		if lost {
			return nil // it is another receiver's now
		}
		return p.Queue.Hide(ctx, message, min(outcome.After, maxInvisible))
	}
}

// maxInvisible stays below the 12 hours that SQS allows from the first receive on.
const maxInvisible = 11 * time.Hour
