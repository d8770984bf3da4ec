package sqsqueue_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/worker"
)

var _ worker.Queue = (*sqsqueue.Queue)(nil)

func (b *bench) queue() *sqsqueue.Queue { return sqsqueue.NewQueue(b.client, b.url, time.Minute) }

// receive receives the given number of messages.
func (b *bench) receive(q *sqsqueue.Queue, count int) []queue.Message {
	b.Helper()
	var all []queue.Message
	for len(all) < count {
		messages, err := q.Receive(b.Context(), count-len(all))
		if err != nil || len(messages) == 0 {
			b.Fatalf("received %d messages, %v", len(messages), err)
		}
		all = append(all, messages...)
	}
	return all
}

func TestQueue_ReceiveReadsAllFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sentAt := time.Now()
		_, err := b.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl:       &b.url,
			MessageBody:    aws.String("{\"a\":\"ü\U0001F600\"}\r\n"),
			MessageGroupId: aws.String("customer"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"event_id": {DataType: aws.String("String"), StringValue: aws.String("ev_1")},
				"number":   {DataType: aws.String("Number"), StringValue: aws.String("7")},
				"binary":   {DataType: aws.String("Binary"), BinaryValue: []byte{0}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		q := b.queue()
		for count := 1; count <= 2; count++ {
			message := b.receive(q, 1)[0]
			if string(message.Body) != "{\"a\":\"ü\U0001F600\"}\r\n" || message.GroupID != "customer" || message.ID != b.stored()[0].ID ||
				!maps.Equal(message.Attributes, map[string]string{"event_id": "ev_1"}) ||
				!message.SentAt.Equal(sentAt) || message.ReceiveCount != count || message.Receipt == "" {
				t.Errorf("received %+v", message)
			}
			time.Sleep(time.Minute) // then it is visible again
		}
	})
}

func TestQueue_ReceiveWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		q := b.queue()
		started := time.Now()
		if messages, err := q.Receive(t.Context(), 10); err != nil || len(messages) != 0 || time.Since(started) != sqsqueue.PollWait {
			t.Errorf("an empty queue: %v, %v after %s", messages, err, time.Since(started))
		}
		b.put(12)
		if messages, err := q.Receive(t.Context(), 100); err != nil || len(messages) != 10 {
			t.Errorf("%d messages, %v", len(messages), err)
		}

		b.meetAt(sandbox.Refuse, 1)
		if _, err := q.Receive(t.Context(), 1); !errors.Is(err, sqsqueue.ErrUnavailable) || b.called() != 1 {
			t.Errorf("a failing service: %v, %d calls", err, b.called())
		}

		b.meetAlways(sandbox.Fault{Delay: time.Minute})
		started = time.Now()
		if _, err := q.Receive(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 10*time.Second {
			t.Errorf("a silent service: %v after %s", err, time.Since(started))
		}
		time.Sleep(time.Minute)
	})
}

func TestQueue_ChangeVisibility(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(1)
		q := b.queue()
		message := b.receive(q, 1)[0]
		for _, test := range []struct{ hide, hidden time.Duration }{
			{90 * time.Second, 90 * time.Second},
			{1500 * time.Millisecond, 2 * time.Second},
			{0, 0},
			{-time.Second, 0},
		} {
			if err := q.ChangeVisibility(t.Context(), message, test.hide); err != nil {
				t.Fatal(err)
			}
			hidden := time.Now()
			for {
				if messages, _ := q.Receive(t.Context(), 1); len(messages) > 0 {
					message = messages[0]
					break
				}
			}
			if took := time.Since(hidden); took != test.hidden {
				t.Errorf("hidden for %s, it came back after %s", test.hide, took)
			}
		}

		b.meetAt(sandbox.Throttle, 1)
		if err := q.ChangeVisibility(t.Context(), message, time.Hour); err != nil {
			t.Errorf("a fault that passes: %v", err)
		}
		if err := q.ChangeVisibility(t.Context(), message, 20*time.Hour); err == nil || errors.Is(err, sqsqueue.ErrUnavailable) {
			t.Errorf("beyond what SQS allows: %v", err)
		}
	})
}

func TestQueue_ExpiredReceipt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(2)
		q := b.queue()
		messages := b.receive(q, 2)
		if err := q.Delete(t.Context(), messages[1]); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		garbage := queue.Message{Receipt: "garbage"}
		for name, message := range map[string]queue.Message{"visible again": messages[0], "deleted": messages[1], "garbage": garbage} {
			if err := q.ChangeVisibility(t.Context(), message, time.Minute); !errors.Is(err, queue.ErrReceiptExpired) {
				t.Errorf("hide, %s: %v", name, err)
			}
		}
		if err := q.Delete(t.Context(), garbage); !errors.Is(err, queue.ErrReceiptExpired) {
			t.Errorf("delete, garbage: %v", err)
		}
	})
}

func TestQueue_DeletesShareBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(30)
		q := b.queue()
		messages := b.receive(q, 30)
		messages[7].Receipt = "garbage"
		b.meet(func(call int) sandbox.Fault {
			fault := sandbox.Fault{Delay: 20 * time.Millisecond}
			if call%2 == 0 {
				fault.Kind = sandbox.Partial
			}
			return fault
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for i, message := range messages {
			callers.Go(func() {
				if err := q.Delete(ctx, message); (err != nil) != (i == 7) {
					t.Errorf("message %d: %v", i, err)
				}
			})
		}
		callers.Wait()
		if left := b.stored(); len(left) != 1 || left[0].ID != messages[7].ID {
			t.Errorf("%d messages are left", len(left))
		}
		if b.called() > 20 {
			t.Errorf("%d calls", b.called())
		}

		b.meetAlways(sandbox.Fault{Kind: sandbox.Refuse})
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := q.Delete(ctx, messages[7]); !errors.Is(err, sqsqueue.ErrUnavailable) {
			t.Errorf("a failing service: %v", err)
		}
	})
}
