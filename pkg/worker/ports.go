package worker

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// Queue is the source of messages. It is safe for concurrent use.
type Queue interface {
	// Receive waits some seconds for up to maxMessages messages.
	Receive(ctx context.Context, maxMessages int) ([]queue.Message, error)
	// ChangeVisibility hides a received message for a time from now; 0 makes it visible.
	// Errors: queue.ErrReceiptExpired.
	ChangeVisibility(ctx context.Context, message queue.Message, timeout time.Duration) error
	// Delete removes a message. With an expired receipt it may return nil and delete
	// nothing.
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
	// Wait blocks until at least one message may be received, and returns how many. Its
	// error means that ctx ended.
	Wait(ctx context.Context) (maxMessages int, err error)
}

// Observer records metrics and logs. Its methods must not block.
type Observer interface {
	// Handled reports a message after its outcome was carried out. With an error, it was
	// not, and the message is delivered again.
	Handled(message queue.Message, outcome queue.Outcome, err error)
	// Failed reports an error that the pool recovered from, in one of the operations
	// receive, heartbeat (which cancels the handler) and handle (a panic).
	Failed(operation string, err error)
}
