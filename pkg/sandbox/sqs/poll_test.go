package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

func wantError[E error](t *testing.T, err error) {
	t.Helper()
	if want, ok := errors.AsType[E](err); !ok {
		t.Errorf("the error is %v, want a %T", err, want)
	}
}

func TestPollsAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, nil)
		var mu sync.Mutex
		var order []int
		var polls sync.WaitGroup
		for i := range 20 {
			polls.Go(func() {
				got, err := b.receive(1, 20)
				if err != nil || len(got) != 1 {
					t.Errorf("poll %d received %d messages, %v", i, len(got), err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		for range 20 {
			b.send("x")
			synctest.Wait()
		}
		polls.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

// A message that has ripened goes to the poll that waits for it, not to a caller
// who comes before the poll's alarm has rung.
func TestWaitingGoesBeforeComing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64 // how far the clock is ahead of the timers
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		b := newBench(t, sqs.Config{Now: now}, map[string]string{"DelaySeconds": "5"})
		b.send("x")
		waited := make(chan int, 1)
		go func() {
			got, _ := b.receive(1, 20)
			waited <- len(got)
		}()
		synctest.Wait()
		ahead.Store(int64(5 * time.Second))
		got, err := b.receive(1, 0)
		b.must(err)
		if len(got) != 0 || <-waited != 1 {
			t.Error("the caller was served before the waiting poll")
		}
	})
}

// pollUnder makes a raw poll under a context.
func (b bench) pollUnder(ctx context.Context) (answered <-chan *httptest.ResponseRecorder) {
	b.Helper()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(`{"QueueUrl":"`+*b.url+`","WaitTimeSeconds":20}`))
	request.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	answers := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		answer := httptest.NewRecorder()
		b.service.ServeHTTP(answer, request)
		answers <- answer
	}()
	return answers
}

// A caller leaves while a message is handed to its poll, in whatever order:
// either it is answered with the message or the queue has the message back.
func TestCancelledWhileServed(t *testing.T) {
	t.Parallel()
	for i := range 50 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, sqs.Config{}, nil)
				ctx, cancel := context.WithCancel(t.Context())
				answered := b.pollUnder(ctx)
				synctest.Wait()
				go cancel()
				b.call("SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"x"}`)
				ok := (<-answered).Code == http.StatusOK
				switch message := b.service.Messages("events")[0]; {
				case ok && message.State == sqs.InFlight && message.ReceiveCount == 1:
				case !ok && message.State == sqs.Visible && message.ReceiveCount == 0:
				default:
					t.Errorf("answered is %t; the message is %+v", ok, message)
				}
			})
		})
	}
}

// leaving is a context that ends just before its third look: after the poll has
// begun and has been handed a message, before it answers.
type leaving struct {
	context.Context
	looks atomic.Int32
}

func (l *leaving) Err() error {
	if l.looks.Add(1) < 3 {
		return nil
	}
	return context.Canceled
}

func TestReturnedAsIfNeverReceived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, nil)
		b.send("first")
		got, err := b.receive(1, 0)
		b.must(err)
		answered := b.pollUnder(&leaving{Context: t.Context()})
		synctest.Wait()
		b.changeVisibility(got[0], 0)
		if answer := <-answered; answer.Code == http.StatusOK {
			t.Fatalf("who has left is answered %s", answer.Body)
		}
		b.send("second")
		message := b.service.Messages("events")[0]
		if message.State != sqs.Visible || message.ReceiveCount != 1 {
			t.Errorf("the message is %+v", message)
		}
		// The receive before is the latest again: its handle deletes.
		b.must(b.delete(got[0].ReceiptHandle))
		if left := b.service.Messages("events"); len(left) != 1 {
			t.Errorf("left are %+v", left)
		}
	})
}

// Many consumers that delete, release, extend, forget and leave: every message
// is deleted once, and none is in two hands at a time.
func TestManyConsumers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { manyConsumers(t, seed) })
		})
	}
}

func manyConsumers(t *testing.T, seed uint64) {
	const messages, consumers = 300, 20
	b := newBench(t, sqs.Config{Seed: seed}, map[string]string{"VisibilityTimeout": "10"})

	var mu sync.Mutex
	held := map[string]time.Time{} // until when, by body
	deleted := map[string]int{}
	hold := func(body string, until time.Time) {
		mu.Lock()
		defer mu.Unlock()
		if previous, ok := held[body]; ok && time.Now().Before(previous) {
			t.Errorf("%s is in two hands", body)
		}
		held[body] = until
	}
	release := func(body string) {
		mu.Lock()
		defer mu.Unlock()
		delete(held, body)
	}

	var working sync.WaitGroup
	for consumer := range uint64(consumers) {
		random := rand.New(rand.NewPCG(seed, consumer))
		working.Go(func() {
			for {
				mu.Lock()
				finished := len(deleted) == messages
				mu.Unlock()
				if finished {
					return
				}
				patience := time.Duration(random.Int64N(int64(20 * time.Second)))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				got, err := b.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
					QueueUrl: b.url, MaxNumberOfMessages: 1 + random.Int32N(10), WaitTimeSeconds: 1 + random.Int32N(20),
				})
				cancel()
				if err != nil {
					continue // a poll that was left
				}
				for _, message := range got.Messages {
					hold(*message.Body, time.Now().Add(10*time.Second))
				}
				for _, message := range got.Messages {
					body := *message.Body
					switch random.IntN(4) {
					case 0: // forgotten, until it expires
					case 1:
						release(body)
						b.changeVisibility(message, 0)
					default:
						time.Sleep(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
						if err := b.delete(message.ReceiptHandle); err != nil {
							t.Error(err)
						}
						mu.Lock()
						deleted[body]++
						mu.Unlock()
					}
				}
			}
		})
	}
	for i := range messages {
		b.send(fmt.Sprint("message ", i))
	}
	working.Wait()
	for body, times := range deleted {
		if times != 1 {
			t.Errorf("%s was deleted %d times", body, times)
		}
	}
	if left := b.service.Messages("events"); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}
}

func (b bench) changeVisibility(message types.Message, timeout int32) {
	b.Helper()
	_, err := b.client.ChangeMessageVisibility(b.Context(), &awssqs.ChangeMessageVisibilityInput{
		QueueUrl: b.url, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: timeout,
	})
	if err != nil {
		b.Error(err)
	}
}

func TestADeletedQueueEndsItsPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, nil)
		failed := make(chan error)
		go func() {
			_, err := b.receive(1, 20)
			failed <- err
		}()
		synctest.Wait()
		_, err := b.client.DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: b.url})
		b.must(err)
		wantError[*types.QueueDoesNotExist](t, <-failed)
	})
}

func TestAWaitingPollOnManyMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, nil)
		received := make(chan int)
		go func() {
			got, _ := b.receive(10, 20)
			received <- len(got)
		}()
		synctest.Wait()
		entries := make([]types.SendMessageBatchRequestEntry, 10)
		for i := range entries {
			entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String("x")}
		}
		_, err := b.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: b.url, Entries: entries})
		b.must(err)
		if got := <-received; got != 10 {
			t.Errorf("the poll received %d of 10 messages that came together", got)
		}
	})
}
