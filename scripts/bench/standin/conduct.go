package standin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// eventIDAttribute is the message attribute by which messages are told apart.
const eventIDAttribute = "event_id"

// manner is how the queue treats calls.
type manner struct {
	delay   time.Duration
	refuses bool
	over    chan struct{} // closed when it becomes another
}

// conduct stands before the queue: it makes calls take time, and remembers which
// answers nobody waited for.
type conduct struct {
	mu     sync.Mutex
	manner manner
	calls  int
	lost   map[string]int // by event id
}

func newConduct() *conduct {
	return &conduct{manner: manner{delay: usualDelay, over: make(chan struct{})}, lost: map[string]int{}}
}

// become changes the manner. Calls that are held back now no longer are: they meet the
// new one.
func (c *conduct) become(next manner) {
	next.over = make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.manner.over)
	c.manner = next
}

func (c *conduct) current() manner {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.manner
}

// fault is a sandbox.FaultFunc.
func (c *conduct) fault(string) sandbox.Fault {
	if c.current().refuses {
		return sandbox.Fault{Kind: sandbox.Refuse}
	}
	return sandbox.Fault{}
}

// around makes a server's calls go by the manner.
func (c *conduct) around(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		sending := strings.Contains(request.Header.Get("X-Amz-Target"), ".SendMessage")
		// Before the wait: net/http notices that a caller has gone only once the body is read.
		var sent bytes.Buffer
		sent.Grow(int(max(request.ContentLength, 0)) + bytes.MinRead)
		if _, err := sent.ReadFrom(request.Body); err != nil {
			return // the call did not arrive
		}
		request.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
		manner := c.current()
		timer := time.NewTimer(manner.delay)
		select {
		case <-timer.C:
		case <-manner.over:
		}
		timer.Stop()
		written := &status{ResponseWriter: response}
		handler.ServeHTTP(written, request)
		if sending && written.code == http.StatusOK {
			c.note(sent.Bytes(), request.Context().Err() != nil)
		}
	})
}

// note counts a call that sent messages.
func (c *conduct) note(body []byte, lost bool) {
	var ids []string
	if lost {
		ids = eventIDs(body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	for _, id := range ids {
		c.lost[id]++
	}
}

// status remembers what a handler answers.
type status struct {
	http.ResponseWriter

	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// entry is a message as it is sent, alone or in a batch.
type entry struct {
	MessageAttributes map[string]struct{ StringValue string }
}

// eventIDs are those of the messages in a call.
func eventIDs(body []byte) []string {
	var call struct {
		entry

		Entries []entry
	}
	if json.Unmarshal(body, &call) != nil {
		return nil
	}
	var ids []string
	for _, message := range append(call.Entries, call.entry) {
		if id := message.MessageAttributes[eventIDAttribute].StringValue; id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// count says what is in the queue.
func (c *conduct) count(messages []sqs.Message, genuine func(eventID, body string) bool) Stock {
	c.mu.Lock()
	defer c.mu.Unlock()
	stock := Stock{Messages: make(map[string]Held, len(messages)), Calls: c.calls}
	for _, message := range messages {
		id := message.Attributes[eventIDAttribute]
		held := stock.Messages[id]
		held.Times++
		held.Lost = c.lost[id]
		stock.Messages[id] = held
		if !genuine(id, message.Body) {
			stock.Altered++
		}
	}
	return stock
}
