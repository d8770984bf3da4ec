package worker

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// Queue is where messages come from and what is told their fate. It is safe for
// concurrent use.
type Queue interface {
	// Receive waits a while for messages, up to the given number.
	Receive(ctx context.Context, most int) ([]queue.Message, error)
	// Hide keeps a received message invisible for a time from now; 0 makes it
	// visible. Errors: queue.ErrReceiptExpired.
	Hide(ctx context.Context, message queue.Message, invisible time.Duration) error
	// Delete removes a message. That a stale receipt deletes nothing may not show.
	Delete(ctx context.Context, message queue.Message) error
}

// DeadLetters takes messages that cannot be handled.
type DeadLetters interface {
	// Bury stores the message with its reason; it is deleted from its queue after.
	Bury(ctx context.Context, letter queue.DeadLetter) error
}

// Handler handles one message. It may not keep the delivery.
type Handler interface {
	Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome
}

// Gate says when messages may be received.
type Gate interface {
	// Wait returns how many messages may be received now, at least one. It waits until
	// that is so, or until ctx ends.
	Wait(ctx context.Context) (most int, err error)
}

// Observer is told what happens. Implementations must not block.
type Observer interface {
	// Handled reports a message whose outcome was carried out; err says what kept it
	// from being so, in which case the message comes back.
	Handled(message queue.Message, outcome queue.Outcome, err error)
	// Failed reports something that the pool survives: a receive that failed, a lost
	// heartbeat, a handler that panicked.
	Failed(what string, err error)
}
