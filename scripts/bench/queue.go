package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/testbed"
)

// queueCommand makes this program the fake of SQS.
const queueCommand = "queue"

const (
	// usualDelay is added to each call, about what AWS needs within a region.
	usualDelay = 15 * time.Millisecond
	// slowDelay makes the queue slower than webhooks arrive: 16 batches of 10 in flight are 53
	// messages a second.
	slowDelay = 3 * time.Second
)

// QueueMode is the behaviour of the fake of SQS. A change ends the delays of calls in progress.
type QueueMode struct {
	Delay  time.Duration
	Refuse bool // with an internal error, without an effect
}

var (
	queueNormal  = QueueMode{Delay: usualDelay}
	queueRefuses = QueueMode{Delay: usualDelay, Refuse: true}
	queueSlow    = QueueMode{Delay: slowDelay}
)

// QueueAddress is the address of the queue.
type QueueAddress struct {
	Environ []string // of a receiver
}

// QueueSnapshot lists the messages that the queue was sent.
type QueueSnapshot struct {
	Messages map[string]MessageCount // by event id
	Calls    int                     // SendMessage and SendMessageBatch
	Altered  int                     // messages that differ from the webhook
}

// MessageCount is the number of messages of an event in the queue.
type MessageCount struct {
	Total int
	Lost  int // sent by a caller that left before the response
}

// fakeQueue is the service of the fake queue's process. It keeps every message, so that accepted
// events can be searched in the queue.
type fakeQueue struct {
	ctx context.Context
	env *testbed.Env
	behaviour
}

// Open starts the fake and creates the queue.
func (q *fakeQueue) Open(_ int, address *QueueAddress) (err error) {
	debug.SetGCPercent(childGCPercent)
	q.behaviour = behaviour{mode: queueNormal, changed: make(chan struct{}), lost: map[string]int{}}
	q.env, err = testbed.New(testbed.Options{
		SQS: sqs.Config{Faults: sandbox.FaultFunc(q.fault)},
		Server: func(service string, server *http.Server) {
			if service == "SQS" {
				server.Handler = q.wrap(server.Handler)
			}
		},
	})
	if err != nil {
		return err
	}
	err = q.env.CreateQueues(q.ctx)
	address.Environ = append(q.env.AWSEnviron(), "BILLABLE_QUEUE_URL="+q.env.QueueURL)
	return err
}

// SetMode changes the treatment of calls.
func (q *fakeQueue) SetMode(mode QueueMode, _ *int) error { //nolint:unparam // net/rpc requires it
	q.set(mode)
	return nil
}

// Snapshot returns what the queue was sent.
func (q *fakeQueue) Snapshot(_ int, snapshot *QueueSnapshot) error { //nolint:unparam // net/rpc requires it
	*snapshot = q.count(q.env.SQS.Messages(testbed.QueueName), isWebhook)
	return nil
}

// behaviour delays and refuses calls, and counts responses that no caller waited for.
type behaviour struct {
	mu      sync.Mutex
	mode    QueueMode
	changed chan struct{} // closed when the mode changes
	calls   int
	lost    map[string]int // by event id
}

func (b *behaviour) set(mode QueueMode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.mode, b.changed = mode, make(chan struct{})
}

func (b *behaviour) current() (mode QueueMode, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mode, b.changed
}

// fault is a sandbox.FaultFunc.
func (b *behaviour) fault(string) sandbox.Fault {
	if mode, _ := b.current(); mode.Refuse {
		return sandbox.Fault{Kind: sandbox.Refuse}
	}
	return sandbox.Fault{}
}

func (b *behaviour) wrap(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sending := strings.Contains(r.Header.Get("X-Amz-Target"), ".SendMessage")
		// Read before the delay: net/http notices that a caller left only once the body is read.
		var body bytes.Buffer
		body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
		if _, err := body.ReadFrom(r.Body); err != nil {
			return // the call did not arrive
		}
		r.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
		mode, changed := b.current()
		timer := time.NewTimer(mode.Delay)
		select {
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
		response := &statusRecorder{ResponseWriter: w}
		handler.ServeHTTP(response, r)
		if sending && response.code == http.StatusOK {
			b.record(body.Bytes(), r.Context().Err() != nil)
		}
	})
}

// record counts a call that sent messages.
func (b *behaviour) record(body []byte, lost bool) {
	var ids []string
	if lost {
		ids = sentEventIDs(body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	for _, id := range ids {
		b.lost[id]++
	}
}

// statusRecorder keeps the status of a response.
type statusRecorder struct {
	http.ResponseWriter

	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// sentEventIDs returns the event ids of the messages in a call, one message or a batch.
func sentEventIDs(body []byte) (ids []string) {
	type message struct {
		MessageAttributes map[string]struct{ StringValue string }
	}
	var call struct {
		message

		Entries []message
	}
	if json.Unmarshal(body, &call) != nil {
		return nil
	}
	for _, message := range append(call.Entries, call.message) {
		if id := message.MessageAttributes["event_id"].StringValue; id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (b *behaviour) count(messages []sqs.Message, isWebhook func(eventID, body string) bool) QueueSnapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	snapshot := QueueSnapshot{Messages: make(map[string]MessageCount, len(messages)), Calls: b.calls}
	for _, message := range messages {
		id := message.Attributes["event_id"]
		snapshot.Messages[id] = MessageCount{Total: snapshot.Messages[id].Total + 1, Lost: b.lost[id]}
		if !isWebhook(id, message.Body) {
			snapshot.Altered++
		}
	}
	return snapshot
}
