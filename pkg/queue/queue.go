// Package queue holds the words for work that arrives by a queue: a message, its
// delivery to one handler, and the outcome that the handler asks for. It knows
// no technology.
package queue

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Names of the message attributes that this system sets. All are strings.
const (
	AttributeEventID     = "event_id"
	AttributeEventType   = "event_type"
	AttributeInvoiceID   = "invoice_id"
	AttributeReceivedAt  = "received_at"  // RFC 3339, UTC
	AttributeReason      = "reason"       // dead letters only
	AttributeDetail      = "detail"       // dead letters only, at most MaxDetail bytes
	AttributeFailedAt    = "failed_at"    // dead letters only, RFC 3339
	AttributeReplayCount = "replay_count" // after a replay
	AttributeTraceParent = "traceparent"
)

// MaxDetail is the most bytes that the detail of a dead letter may have.
const MaxDetail = 1024

// Message is one message as it was received.
type Message struct {
	ID           string
	Body         []byte
	Attributes   map[string]string    // those that are strings
	Typed        map[string]Attribute // all others: they are passed on as they came
	GroupID      string
	Receipt      string    // names this receive, not the message
	SentAt       time.Time // when it was put into the queue
	ReceiveCount int
}

// Attribute is a message attribute that is no string. This system sets none, and does not
// know what those of others mean.
type Attribute struct {
	Type  string `json:"type"`  // as the queue calls it: Number, Binary, String.theirs
	Value []byte `json:"value"` // a text, unless it is binary
}

// Binary tells whether the value is more than a text.
func (a Attribute) Binary() bool { return a.Type == "Binary" || strings.HasPrefix(a.Type, "Binary.") }

// ReplayCount is how often the message was replayed, as far as it says so.
func (m Message) ReplayCount() int {
	count, err := strconv.Atoi(m.Attributes[AttributeReplayCount])
	if err != nil {
		return 0
	}
	return count
}

// DeadLetter is a message that could not be handled, and why.
type DeadLetter struct {
	Message

	Reason string // one of a closed set
	Detail string // for a person; bounded to MaxDetail bytes when it is sent
}

// ErrReceiptExpired says that a message is no longer the one's who received it.
var ErrReceiptExpired = errors.New("queue: the receipt has expired")

// Delivery hands one message to one handler.
type Delivery struct {
	Message

	beat atomic.Pointer[func(context.Context) error]
}

// OnBeat sets what the heartbeat of this delivery does besides keeping the
// message invisible, for instance extending a lease. An error of it ends the
// handling. The heartbeat runs in a goroutine of its own.
func (d *Delivery) OnBeat(beat func(context.Context) error) { d.beat.Store(&beat) }

// Beat calls what OnBeat set, if anything.
func (d *Delivery) Beat(ctx context.Context) error {
	if beat := d.beat.Load(); beat != nil {
		return (*beat)(ctx)
	}
	return nil
}

// Verdict is what shall become of a message.
type Verdict int

// The verdicts. The zero value is Retry: a message that nobody judged comes back.
const (
	Retry  Verdict = iota // give it back, to be delivered again after Outcome.After
	Done                  // delete it
	Reject                // send it to the dead-letter queue with a reason, then delete it
)

// String returns the verdict's name, which is also its metric label.
func (v Verdict) String() string {
	switch v {
	case Done:
		return "done"
	case Reject:
		return "reject"
	default:
		return "retry"
	}
}

// Outcome is what a handler asks the pool to do with a message.
type Outcome struct {
	Verdict Verdict
	After   time.Duration // Retry: how long the message stays invisible
	Reason  string        // Reject: one of a closed set
	Detail  string        // Reject: for a person; bounded when it is sent
}
