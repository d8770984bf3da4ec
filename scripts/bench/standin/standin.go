// Package standin is the queue of a measured receiver: the stand-in for SQS in a process
// of its own, which takes as long for a call as SQS does, and refuses calls or is slow
// when it is told to. It keeps every message, so that what was answered with success
// can be looked for.
package standin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/bench/child"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	// usualDelay is what a call takes longer than on loopback, about as AWS answers
	// within a region.
	usualDelay = 15 * time.Millisecond
	// slowDelay makes the queue slower than webhooks come: 16 batches of 10 at once are
	// 53 messages a second. It ends early when the slowness does.
	slowDelay = 3 * time.Second
)

// Order is what the process is told.
type Order string

// The orders.
const (
	Open   Order = "open"   // is answered with Opened
	Normal Order = "normal" // from now on calls go as usual
	Refuse Order = "refuse" // from now on every call fails, without an effect
	Slow   Order = "slow"   // from now on every call takes long
	Count  Order = "count"  // is answered with Stock
)

// Opened is where the queue is.
type Opened struct {
	Environment []string `json:"environment"` // how the AWS SDK, and a receiver, find it
	QueueURL    string   `json:"queue_url"`
}

// Stock is what the queue has been sent.
type Stock struct {
	Messages map[string]Held `json:"messages"` // by the event's id
	Calls    int             `json:"calls"`    // that sent messages
	Altered  int             `json:"altered"`  // messages that are not what was sent as a webhook
}

// Held is how often a message is in the queue.
type Held struct {
	Times int `json:"times"`
	Lost  int `json:"lost,omitempty"` // of these the sender had gone before it was told
}

// Config is what the stand-in does not know by itself.
type Config struct {
	// Genuine tells whether a message's body is the webhook of its event.
	Genuine func(eventID, body string) bool
}

// Serve is the stand-in's process.
func Serve(ctx context.Context, in io.Reader, out io.Writer, config Config) error {
	conduct := newConduct()
	world, err := testbed.New(testbed.Options{
		SQS: sqs.Config{Faults: sandbox.FaultFunc(conduct.fault)},
		Server: func(service string, server *http.Server) {
			if service == "SQS" {
				server.Handler = conduct.around(server.Handler)
			}
		},
	})
	if err != nil {
		return err
	}
	defer world.Close()
	if err := world.CreateQueues(ctx); err != nil {
		return err
	}
	return child.Serve(in, out, func(order Order) (any, error) {
		switch order {
		case Open:
			environment := append(world.AWSEnviron(), "BILLABLE_QUEUE_URL="+world.QueueURL)
			return Opened{Environment: environment, QueueURL: world.QueueURL}, nil
		case Normal:
			conduct.become(manner{delay: usualDelay})
		case Refuse:
			conduct.become(manner{delay: usualDelay, refuses: true})
		case Slow:
			conduct.become(manner{delay: slowDelay})
		case Count:
			return conduct.count(world.SQS.Messages(testbed.QueueName), config.Genuine), nil
		default:
			return nil, fmt.Errorf("%q is no order", order)
		}
		return struct{}{}, nil
	})
}
