// Package queue defines messages, their delivery to one handler and the outcome that the
// handler returns, independent of SQS.
//
// A handler of package worker receives a [Delivery] and returns an [Outcome], whose [Action] the worker
// carries out. The zero Action is Retry: a message with a zero Outcome is delivered again.
package queue

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Names of the message attributes that Billable sets. All have the type String.
const (
	AttributeEventID     = "event_id"
	AttributeEventType   = "event_type"
	AttributeInvoiceID   = "invoice_id"
	AttributeReceivedAt  = "received_at"  // RFC 3339, UTC
	AttributeReason      = "reason"       // dead letters only
	AttributeDetail      = "detail"       // dead letters only, at most MaxDetail bytes
	AttributeFailedAt    = "failed_at"    // dead letters only, RFC 3339, UTC
	AttributeReplayCount = "replay_count" // only after a replay
	AttributeTraceParent = "traceparent"
)

// MaxDetail is the maximum size of the detail of a dead letter, in bytes.
const MaxDetail = 1024

// Message is a message to send, or one that was received.
type Message struct {
	Body            []byte
	Attributes      map[string]string    // of the type String
	OtherAttributes map[string]Attribute // of other types; Billable sends them again unchanged
	GroupID         string

	// Of a received message.
	ID           string
	Receipt      string    // identifies this receive; SQS calls it the receipt handle
	SentAt       time.Time // when the message was enqueued
	ReceiveCount int
}

// Attribute is a message attribute of another type than String. Only other producers set such attributes.
type Attribute struct {
	Type  string `json:"type"`  // SQS data type: Number, Binary, String.custom
	Value []byte `json:"value"` // text, unless Binary
}

// Binary reports whether the value is binary.
func (a Attribute) Binary() bool { return a.Type == "Binary" || strings.HasPrefix(a.Type, "Binary.") }

// ReplayCount returns the value of the attribute replay_count, 0 if it is absent or invalid.
func (m Message) ReplayCount() int {
	count, err := strconv.Atoi(m.Attributes[AttributeReplayCount])
	if err != nil {
		return 0
	}
	return count
}

// FailedMessage is a message that goes to the dead-letter queue.
type FailedMessage struct {
	Message

	Reason string // a billing.Reason
	Detail string // free text; truncated to at most MaxDetail bytes when it is sent
}

// ErrReceiptExpired means that the receipt handle is no longer valid.
var ErrReceiptExpired = errors.New("queue: receipt handle has expired")

// Delivery is one receive of a message, given to one handler.
type Delivery struct {
	Message

	heartbeat atomic.Pointer[func(context.Context) error]
}

// SetHeartbeat sets a function that the worker calls after each attempt to extend the visibility timeout, unless the
// message is visible already, for example to renew a lease. The function runs in the goroutine of the heartbeat. An error of it cancels
// the context of the handler.
func (d *Delivery) SetHeartbeat(heartbeat func(context.Context) error) { d.heartbeat.Store(&heartbeat) }

// Heartbeat calls the function that SetHeartbeat set, if any.
func (d *Delivery) Heartbeat(ctx context.Context) error {
	if heartbeat := d.heartbeat.Load(); heartbeat != nil {
		return (*heartbeat)(ctx)
	}
	return nil
}

// Action is the operation of the worker on a message whose handler has returned.
type Action int

// The actions. The zero value is Retry.
const (
	Retry      Action = iota // deliver the message again after Outcome.Delay
	Ack                      // delete the message
	DeadLetter               // send the message to the dead-letter queue, then delete it
)

// String returns the name of the action in logs and metrics.
func (a Action) String() string {
	switch a {
	case Ack:
		return "done"
	case DeadLetter:
		return "reject"
	default:
		return "retry"
	}
}

// Outcome is the result of handling a message.
type Outcome struct {
	Action Action
	Delay  time.Duration // Retry: until the message is visible again
	Reason string        // DeadLetter: a billing.Reason
	Detail string        // DeadLetter: free text
}
