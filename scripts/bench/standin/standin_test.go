package standin

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

// bench is a queue behind its conduct, without a network.
type bench struct {
	*testing.T

	conduct *conduct
	service *sqs.Service
	server  http.Handler
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, conduct: newConduct()}
	b.service = sqs.New(sqs.Config{Faults: sandbox.FaultFunc(b.conduct.fault)})
	b.server = b.conduct.around(b.service)
	if status := b.call(nil, "CreateQueue", `{"QueueName":"events"}`); status != http.StatusOK {
		t.Fatalf("create queue: %d", status)
	}
	return b
}

// call makes a call whose caller leaves when left is closed; the status is of what the
// handler answered nevertheless.
func (b *bench) call(left <-chan struct{}, operation, body string) (status int) {
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

func (b *bench) send(left <-chan struct{}, ids ...string) (status int) {
	var entries []string
	for i, id := range ids {
		entries = append(entries, fmt.Sprintf(`{"Id":"%d","MessageBody":"body of %s","MessageAttributes":{"event_id":{"DataType":"String","StringValue":%q}}}`, i, id, id))
	}
	return b.call(left, "SendMessageBatch", fmt.Sprintf(`{"QueueUrl":"http://sandbox.local/000000000000/events","Entries":[%s]}`, strings.Join(entries, ",")))
}

func (b *bench) count() Stock {
	return b.conduct.count(b.service.Messages("events"), func(id, body string) bool { return body == "body of "+id })
}

// TestConduct: usual calls take their time, refused ones have no effect, slow ones end
// when the slowness does.
func TestConduct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
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
		b.conduct.become(manner{delay: usualDelay, refuses: true})
		if got := took(http.StatusInternalServerError, "ev_3"); got != usualDelay {
			t.Errorf("a refusal took %s", got)
		}
		b.conduct.become(manner{delay: slowDelay})
		if got := took(http.StatusOK, "ev_4"); got != slowDelay {
			t.Errorf("a slow call took %s", got)
		}
		time.AfterFunc(time.Second, func() { b.conduct.become(manner{delay: usualDelay}) })
		if got := took(http.StatusOK, "ev_5"); got != time.Second {
			t.Errorf("a call that was no longer slow took %s", got)
		}
		want := map[string]Held{"ev_1": {Times: 1}, "ev_2": {Times: 1}, "ev_4": {Times: 1}, "ev_5": {Times: 1}}
		if got := b.count(); !maps.Equal(got.Messages, want) || got.Calls != 3 || got.Altered != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestLostAnswers are those that nobody waited for.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		leaves := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { close(leaves) })
		b.send(leaves, "ev_1", "ev_2")
		b.send(nil, "ev_2", "ev_3")
		b.call(nil, "SendMessage", `{"QueueUrl":"http://sandbox.local/000000000000/events","MessageBody":"other","MessageAttributes":{"event_id":{"DataType":"String","StringValue":"ev_4"}}}`)
		want := map[string]Held{"ev_1": {Times: 1, Lost: 1}, "ev_2": {Times: 2, Lost: 1}, "ev_3": {Times: 1}, "ev_4": {Times: 1}}
		if got := b.count(); !maps.Equal(got.Messages, want) || got.Calls != 3 || got.Altered != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestEventIDs(t *testing.T) {
	t.Parallel()
	const attributes = `"MessageAttributes":{"event_id":{"StringValue":"ev_%d"},"other":{"StringValue":"x"}}`
	one, two := fmt.Sprintf(attributes, 1), fmt.Sprintf(attributes, 2)
	for body, want := range map[string]string{
		"{" + one + "}": "[ev_1]", `{"Entries":[{` + one + `},{` + two + `},{}]}`: "[ev_1 ev_2]", "{}": "[]", "{": "[]",
	} {
		if got := fmt.Sprint(eventIDs([]byte(body))); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}
