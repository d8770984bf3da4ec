package webhook

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Enqueuer puts messages into a queue. It is safe for concurrent use.
type Enqueuer interface {
	// Send returns the id that the queue gave to the message, and nil only if the queue
	// has this very message. It returns when ctx ends, and does not keep the body.
	Send(ctx context.Context, message queue.Message) (id string, err error)
}

// Observer is told what happens. Implementations must not block.
type Observer interface {
	// Answered reports a request when it is answered. The context is the request's.
	Answered(ctx context.Context, report Report)
}

// Report is what is known of one request, whatever became of it. It holds nothing of
// the body but the ids, and no credentials.
type Report struct {
	Status    int    // StatusClientGone if nobody waited for the answer
	EventType string // empty if the request was refused before it was known
	EventID   string
	InvoiceID string
	MessageID string // empty if the event was not put into the queue
	Bytes     int64  // of the body, as far as it was read
	Took      time.Duration
	Shed      bool  // refused because too much was in flight
	Err       error // why it was refused, for the log
}

// StatusClientGone is what a report says of a request whose client left before the
// answer. No client ever sees it.
const StatusClientGone = 499

// The labels of event types: a closed set, for metrics.
const (
	labelNone  = "none"  // the request was refused before its type was known
	labelOther = "other" // any type that is ignored
)

// EventLabel returns the report's event type out of a closed set.
func (r Report) EventLabel() string {
	switch r.EventType {
	case "":
		return labelNone
	case event.PendingInvoiceCreated:
		return event.PendingInvoiceCreated
	default:
		return labelOther
	}
}
