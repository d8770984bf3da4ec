package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	// usualDelay is added to each call, about what AWS needs within a region.
	usualDelay = 15 * time.Millisecond
	// slowDelay makes the queue slower than webhooks arrive: 16 batches of 10 in flight are 53
	// messages a second.
	slowDelay = 3 * time.Second
)

// outage is the time during which the queue refuses calls, and then is slow.
type outage struct{ refuses, slow, ends time.Time }

func newOutage(before, refuse, slow time.Duration) *outage {
	refuses := time.Now().Add(before)
	return &outage{refuses, refuses.Add(refuse), refuses.Add(refuse + slow)}
}

func (o *outage) fault(now time.Time) sandbox.Fault {
	switch {
	case o == nil || now.Before(o.refuses) || now.After(o.ends):
		return sandbox.Fault{Delay: usualDelay}
	case now.Before(o.slow):
		return sandbox.Fault{Delay: usualDelay, Kind: sandbox.Refuse}
	default:
		return sandbox.Fault{Delay: max(min(slowDelay, o.ends.Sub(now)), usualDelay)}
	}
}

// queue is the fake of SQS. It keeps every message, so that accepted events can be searched in it.
type queue struct {
	*testbed.Env

	outage atomic.Pointer[outage]
	sends  atomic.Int64 // SendMessage and SendMessageBatch
}

func newQueue(ctx context.Context) (*queue, error) {
	q := &queue{}
	var err error
	q.Env, err = testbed.New(testbed.Options{SQS: sqs.Config{Faults: sandbox.FaultFunc(q.fault)}})
	if err != nil {
		return nil, err
	}
	return q, q.CreateQueues(ctx)
}

func (q *queue) fault(operation string) sandbox.Fault {
	if strings.HasPrefix(operation, "SendMessage") {
		q.sends.Add(1)
	}
	return q.outage.Load().fault(time.Now())
}

// check searches the accepted events in the queue. It returns an error for a lost one, for two requests
// that were accepted with one event, and for a further copy unless copies are allowed.
func (q *queue) check(accepted []string, copies bool) error {
	copiesOf := map[string]int{}
	for _, message := range q.SQS.Messages(testbed.QueueName) {
		copiesOf[message.Attributes["event_id"]]++
	}
	seen := map[string]bool{}
	for _, id := range accepted {
		switch {
		case seen[id]:
			return fmt.Errorf("two requests were accepted for the event %s", id)
		case copiesOf[id] == 0:
			return fmt.Errorf("the event %s was accepted and is not in the queue: a message is lost", id)
		case copiesOf[id] > 1 && !copies:
			return fmt.Errorf("the queue has the event %s %d times", id, copiesOf[id])
		}
		seen[id] = true
	}
	return nil
}
