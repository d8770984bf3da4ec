package worker

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// Queue is the source of messages. It is safe for concurrent use.
type Queue interface {
	// Receive waits some seconds for messages, and returns at most maxMessages.
	Receive(ctx context.Context, maxMessages int) ([]queue.Message, error)
	// ChangeVisibility hides a received message for a time from now; 0 makes it visible.
	// The error is queue.ErrReceiptExpired if other consumers can receive the message.
	ChangeVisibility(ctx context.Context, message queue.Message, timeout time.Duration) error
	// Delete deletes a received message. With an expired receipt it may return nil without
	// deleting the message.
	Delete(ctx context.Context, message queue.Message) error
}

// DeadLetters is the dead-letter queue.
type DeadLetters interface {
	Send(ctx context.Context, message queue.FailedMessage) error
}

// Handler handles one message. It must not keep the delivery.
type Handler interface {
	Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome
}

// Gate limits when and how many messages are received.
type Gate interface {
	// Wait blocks until at least one message may be received, and returns how many may be.
	// An error means that ctx has ended.
	Wait(ctx context.Context) (maxMessages int, err error)
}

// Observer records metrics and logs. Its methods must not block.
type Observer interface {
	// Handled reports a message whose handler has returned, and the error of carrying out
	// the outcome. With an error, the message may be delivered again.
	Handled(message queue.Message, outcome queue.Outcome, err error)
	// Failed reports an error that the pool recovered from, in one of the operations
	// receive, heartbeat (which cancels the handler) and handle (a panic).
	Failed(operation string, err error)
}
