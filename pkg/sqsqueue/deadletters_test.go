package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/worker"
)

var _ worker.DeadLetters = (*sqsqueue.DeadLetters)(nil)

// sendDeadLetter sends one dead deadLetter and returns the stored message.
func sendDeadLetter(t *testing.T, failed queue.FailedMessage) sqs.Message {
	t.Helper()
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := sqsqueue.NewDeadLetters(b.client, b.url).Send(ctx, failed); err != nil {
		t.Fatal(err)
	}
	stored := b.stored()
	if len(stored) != 1 {
		t.Fatalf("%d messages", len(stored))
	}
	return stored[0]
}

func TestDeadLetters_Send(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		message := queue.Message{
			ID:      "m",
			Body:    []byte("{ }\n"),
			GroupID: "customer",
			Attributes: map[string]string{
				"event_id": "ev_1", "replay_count": "2", "theirs": "kept",
				"reason": "old", "detail": "old", "failed_at": "old",
			},
		}
		original := maps.Clone(message.Attributes)
		got := sendDeadLetter(t, queue.FailedMessage{Message: message, Reason: "invalid_event", Detail: "a\x00b\xffc\uFFFEd\ne"})
		want := map[string]string{
			"event_id": "ev_1", "replay_count": "2", "theirs": "kept",
			"reason": "invalid_event", "detail": "a\uFFFDb\uFFFDc\uFFFDd\ne", "failed_at": "2000-01-01T00:00:00Z",
		}
		if got.Body != "{ }\n" || got.GroupID != "customer" || !maps.Equal(got.Attributes, want) {
			t.Errorf("stored: %+v", got)
		}
		if !maps.Equal(message.Attributes, original) {
			t.Error("the caller's attributes were changed")
		}

		delete(want, "detail")
		if got := sendDeadLetter(t, queue.FailedMessage{Message: message, Reason: "invalid_event"}); !maps.Equal(got.Attributes, want) {
			t.Errorf("without a detail: %v", got.Attributes)
		}
		if got := sendDeadLetter(t, queue.FailedMessage{Message: queue.Message{Body: []byte("x")}, Reason: "unreadable_message"}); len(got.Attributes) != 2 {
			t.Errorf("without attributes: %v", got.Attributes)
		}
	})
}

func TestDeadLetters_TruncatesDetailBetweenCharacters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			detail string
			bytes  int
		}{
			{strings.Repeat("x", 1024), 1024},
			{strings.Repeat("x", 1025), 1024},
			{strings.Repeat("€", 342), 1023},
			{"x" + strings.Repeat("\U0001F600", 300), 1021},
			{strings.Repeat("\x00", 1000), 1023}, // a replacement is longer
		} {
			detail := sendDeadLetter(t, queue.FailedMessage{Message: queue.Message{Body: []byte("x")}, Reason: "r", Detail: test.detail}).Attributes["detail"]
			if len(detail) != test.bytes || !utf8.ValidString(detail) {
				t.Errorf("%.20q of %d bytes became %d", test.detail, len(test.detail), len(detail))
			}
		}
	})
}

func TestDeadLetters_LimitsAttributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		message := queue.Message{Body: []byte("x"), Attributes: map[string]string{
			"event_id": "1", "event_type": "1", "invoice_id": "1", "received_at": "1", "traceparent": "1", "replay_count": "1",
			"zebra": "1", "ape": "1", "bear": "1", "cat": "1",
		}}
		ours := []string{"detail", "event_id", "failed_at", "invoice_id", "reason", "received_at", "replay_count", "traceparent"}
		for detail, want := range map[string][]string{
			"x": append([]string{"ape", "bear"}, ours...),
			"":  append([]string{"ape", "bear", "cat"}, ours[1:]...),
		} {
			got := slices.Sorted(maps.Keys(sendDeadLetter(t, queue.FailedMessage{Message: message, Reason: "r", Detail: detail}).Attributes))
			if !slices.Equal(got, want) {
				t.Errorf("detail %q: %v", detail, got)
			}
		}
	})
}

// Whatever the size of a message, its dead deadLetter fits; the detail gives way first.
func TestDeadLetters_FitMessageSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attributes := map[string]string{"event_id": "ev_1", "theirs": strings.Repeat("x", 500)}
		for _, test := range []struct {
			body   int
			detail int
			theirs bool
		}{
			{1<<20 - 2000, 1024, true},
			{1<<20 - 700, 110, true},
			{1<<20 - 550, 472, false},
			{1<<20 - 70, 0, false},
		} {
			got := sendDeadLetter(t, queue.FailedMessage{
				Message: queue.Message{Body: bodyOf(test.body), Attributes: attributes},
				Reason:  "r", Detail: strings.Repeat("x", 2000),
			})
			if len(got.Attributes["detail"]) != test.detail || (got.Attributes["theirs"] != "") != test.theirs || got.Attributes["reason"] == "" {
				t.Errorf("body of %d: detail of %d, attributes %v", test.body, len(got.Attributes["detail"]), slices.Sorted(maps.Keys(got.Attributes)))
			}
		}
	})
}

func bodyOf(size int) []byte { return []byte(strings.Repeat("x", size)) }

func TestDeadLetters_SendFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		dead := sqsqueue.NewDeadLetters(b.client, b.url)
		deadLetter := queue.FailedMessage{Message: queue.Message{Body: []byte("x")}, Reason: "r"}
		b.meetAt(sandbox.Partial, 1)
		if err := dead.Send(t.Context(), deadLetter); err != nil || len(b.stored()) != 1 {
			t.Errorf("a fault that passes: %v", err)
		}
		b.meetAlways(sandbox.Fault{Kind: sandbox.Refuse})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := dead.Send(ctx, deadLetter); !errors.Is(err, sqsqueue.ErrUnavailable) {
			t.Errorf("a fault that does not: %v", err)
		}
	})
}

// browse returns the bodies that a browse of the whole queue saw.
func browse(t *testing.T, dead *sqsqueue.DeadLetters) (bodies []string, complete bool) {
	t.Helper()
	complete, err := dead.Browse(t.Context(), func(messages []queue.Message) bool {
		for _, message := range messages {
			bodies = append(bodies, string(message.Body))
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(bodies)
	return bodies, complete
}

func TestBrowse_VisitsEachMessageOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		dead := sqsqueue.NewDeadLetters(b.client, b.url)
		if bodies, complete := browse(t, dead); len(bodies) != 0 || !complete {
			t.Errorf("an empty queue: %v, complete %t", bodies, complete)
		}
		b.put(123)
		b.meet(func(call int) sandbox.Fault {
			if call%5 == 0 {
				return sandbox.Fault{Kind: sandbox.Duplicate}
			}
			return sandbox.Fault{}
		})
		want := make([]string, 123)
		for i := range want {
			want[i] = fmt.Sprintf("body %d", i)
		}
		slices.Sort(want)
		for range 2 { // at once: nothing is left hidden
			if bodies, complete := browse(t, dead); !slices.Equal(bodies, want) || !complete {
				t.Errorf("%d bodies, complete %t", len(bodies), complete)
			}
		}
		for _, message := range b.stored() {
			if message.State != sqs.Visible {
				t.Errorf("%s is %v", message.Body, message.State)
			}
		}
	})
}

func TestBrowse_EndsEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(30)
		dead := sqsqueue.NewDeadLetters(b.client, b.url)
		wantAllVisible := func() {
			t.Helper()
			for _, message := range b.stored() {
				if message.State != sqs.Visible {
					t.Errorf("%s is %v", message.Body, message.State)
				}
			}
		}

		visits := 0
		complete, err := dead.Browse(t.Context(), func([]queue.Message) bool { visits++; return visits < 2 })
		if calls := b.called(); complete || err != nil || visits != 2 || calls != 5 { // one counts, two receive, two release
			t.Errorf("ended by who visits: complete %t, %v after %d visits, %d calls", complete, err, visits, calls)
		}
		wantAllVisible()

		ctx, interrupt := context.WithCancel(t.Context())
		complete, err = dead.Browse(ctx, func([]queue.Message) bool { interrupt(); return true })
		if complete || !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: complete %t, %v", complete, err)
		}
		wantAllVisible()

		complete, err = dead.Browse(t.Context(), func([]queue.Message) bool { time.Sleep(5 * time.Minute); return true })
		if complete || err != nil {
			t.Errorf("too slow: complete %t, %v", complete, err)
		}
		wantAllVisible()
	})
}

func TestBrowse_OtherConsumers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(5)
		dead, q := sqsqueue.NewDeadLetters(b.client, b.url), b.queue()
		b.receive(q, 2)
		if bodies, complete := browse(t, dead); len(bodies) != 3 || complete {
			t.Errorf("beside another receiver: %v, complete %t", bodies, complete)
		}
		time.Sleep(time.Minute)

		complete, err := dead.Browse(t.Context(), func(messages []queue.Message) bool {
			for _, message := range messages {
				if err := q.Delete(t.Context(), message); err != nil {
					t.Error(err)
				}
			}
			return true
		})
		if !complete || err != nil || len(b.stored()) != 0 {
			t.Errorf("deleting: complete %t, %v, %d left", complete, err, len(b.stored()))
		}
	})
}

func TestBrowse_Fails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(20)
		dead := sqsqueue.NewDeadLetters(b.client, b.url)
		// Count, receive, receive, receive nothing, release twice.
		for failing, wantErr := range map[int]bool{1: false, 2: true, 3: true, 5: false, 6: false} {
			b.meetAt(sandbox.Throttle, failing)
			_, err := dead.Browse(t.Context(), func([]queue.Message) bool { return true })
			if (err != nil) != wantErr {
				t.Errorf("call %d fails: %v", failing, err)
			}
			for _, message := range b.stored() {
				if message.State != sqs.Visible {
					t.Errorf("call %d fails: %s is %v", failing, message.Body, message.State)
				}
			}
		}
	})
}
