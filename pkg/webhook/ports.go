package webhook

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Enqueuer sends messages to a queue. It is safe for concurrent use.
type Enqueuer interface {
	// Send returns the message id that the queue assigned. The error is nil only if the queue
	// has stored the message. Send returns when ctx ends, and does not keep the body.
	Send(ctx context.Context, message queue.Message) (id string, err error)
}

// Observer records metrics, logs and spans. Its methods must not block.
type Observer interface {
	// RequestDone reports a request after its response. ctx is the context of the request.
	RequestDone(ctx context.Context, result RequestResult)
}

// RequestResult describes a request and its response. It contains no credentials. Of the
// body it contains only ids and the event type.
type RequestResult struct {
	Status    int    // of HTTP, or StatusClientGone
	EventType string // empty if the request failed before the event was parsed
	EventID   string
	InvoiceID string
	MessageID string // empty if the event was not enqueued

	ClientAddress string // IP address of the client; behind a trusted proxy from X-Forwarded-For

	Bytes    int64 // bytes that were read of the body
	Duration time.Duration
	Overload bool  // rejected because too many requests or bytes were in flight
	Err      error // for the log
}

// StatusClientGone is the status in a RequestResult if the client disconnected before the response.
const StatusClientGone = 499

// The labels of event types: a closed set, for metrics.
const (
	labelNone  = "none"  // the request failed before the event was parsed
	labelOther = "other" // an ignored type
)

// EventLabel returns the event type as a metric label.
func (r RequestResult) EventLabel() string {
	switch r.EventType {
	case "":
		return labelNone
	case event.PendingInvoiceCreated:
		return event.PendingInvoiceCreated
	default:
		return labelOther
	}
}
