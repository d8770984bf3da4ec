package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// testQueue is a queue behind its behaviour, without a network.
type testQueue struct {
	*testing.T

	behaviour *behaviour
	service   *sqs.Service
	server    http.Handler
}

func newTestQueue(t *testing.T) *testQueue {
	t.Helper()
	b := &testQueue{T: t, behaviour: &behaviour{mode: queueNormal, changed: make(chan struct{}), lost: map[string]int{}}}
	b.service = sqs.New(sqs.Config{Faults: sandbox.FaultFunc(b.behaviour.fault)})
	b.server = b.behaviour.wrap(b.service)
	if status := b.call(nil, "CreateQueue", `{"QueueName":"events"}`); status != http.StatusOK {
		t.Fatalf("create queue: %d", status)
	}
	return b
}

// call makes a call whose caller leaves when left is closed. It returns the status that the handler
// answers anyway.
func (b *testQueue) call(left <-chan struct{}, operation, body string) (status int) {
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	ctx, leave := context.WithCancel(b.Context())
	defer leave()
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-left:
			leave()
		case <-answered:
		}
	}()
	recorder := httptest.NewRecorder()
	b.server.ServeHTTP(recorder, request.WithContext(ctx))
	_, _ = io.Copy(io.Discard, recorder.Body)
	return recorder.Code
}

func (b *testQueue) send(left <-chan struct{}, ids ...string) (status int) {
	var entries []string
	for i, id := range ids {
		entries = append(entries, fmt.Sprintf(`{"Id":"%d","MessageBody":"body of %s","MessageAttributes":{"event_id":{"DataType":"String","StringValue":%q}}}`, i, id, id))
	}
	return b.call(left, "SendMessageBatch", fmt.Sprintf(`{"QueueUrl":"http://sandbox.local/000000000000/events","Entries":[%s]}`, strings.Join(entries, ",")))
}

func (b *testQueue) count() QueueSnapshot {
	return b.behaviour.count(b.service.Messages("events"), func(id, body string) bool { return body == "body of "+id })
}

// TestBehaviour_DelaysAndRefuses: refused calls have no effect, and a slow call ends when the mode
// changes.
func TestBehaviour_DelaysAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestQueue(t)
		took := func(want int, ids ...string) time.Duration {
			started := time.Now()
			if status := b.send(nil, ids...); status != want {
				t.Errorf("%q: %d", ids, status)
			}
			return time.Since(started)
		}
		if got := took(http.StatusOK, "ev_1", "ev_2"); got != usualDelay {
			t.Errorf("a usual call took %s", got)
		}
		b.behaviour.set(queueRefuses)
		if got := took(http.StatusInternalServerError, "ev_3"); got != usualDelay {
			t.Errorf("a refusal took %s", got)
		}
		b.behaviour.set(queueSlow)
		if got := took(http.StatusOK, "ev_4"); got != slowDelay {
			t.Errorf("a slow call took %s", got)
		}
		time.AfterFunc(time.Second, func() { b.behaviour.set(queueNormal) })
		if got := took(http.StatusOK, "ev_5"); got != time.Second {
			t.Errorf("a call that was no longer slow took %s", got)
		}
		want := map[string]MessageCount{"ev_1": {Total: 1}, "ev_2": {Total: 1}, "ev_4": {Total: 1}, "ev_5": {Total: 1}}
		if got := b.count(); !maps.Equal(got.Messages, want) || got.Calls != 3 || got.Altered != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestBehaviour_CountsLostResponses counts messages whose caller left.
func TestBehaviour_CountsLostResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestQueue(t)
		leaves := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { close(leaves) })
		b.send(leaves, "ev_1", "ev_2")
		b.send(nil, "ev_2", "ev_3")
		b.call(nil, "SendMessage", `{"QueueUrl":"http://sandbox.local/000000000000/events","MessageBody":"other","MessageAttributes":{"event_id":{"DataType":"String","StringValue":"ev_4"}}}`)
		want := map[string]MessageCount{"ev_1": {Total: 1, Lost: 1}, "ev_2": {Total: 2, Lost: 1}, "ev_3": {Total: 1}, "ev_4": {Total: 1}}
		if got := b.count(); !maps.Equal(got.Messages, want) || got.Calls != 3 || got.Altered != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestSentEventIDs(t *testing.T) {
	t.Parallel()
	const attributes = `"MessageAttributes":{"event_id":{"StringValue":"ev_%d"},"other":{"StringValue":"x"}}`
	one, two := fmt.Sprintf(attributes, 1), fmt.Sprintf(attributes, 2)
	for body, want := range map[string]string{
		"{" + one + "}": "[ev_1]", `{"Entries":[{` + one + `},{` + two + `},{}]}`: "[ev_1 ev_2]", "{}": "[]", "{": "[]",
	} {
		if got := fmt.Sprint(sentEventIDs([]byte(body))); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}
