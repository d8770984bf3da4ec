package sqstest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var identity = []check{
	{Name: "identity/the id stays, the handle changes", Run: func(b *bench) {
		url := b.queue(visibleAgain)
		sent := b.send(url, "x")
		first, second := b.one(url), b.one(url)
		equal(b, "first id", *first.MessageId, *sent.MessageId)
		equal(b, "second id", *second.MessageId, *sent.MessageId)
		if *first.ReceiptHandle == *second.ReceiptHandle {
			b.Error("two receives have one handle")
		}
	}},
	{Name: "identity/equal bodies are different messages", Run: func(b *bench) {
		url := b.queue(nil)
		if first, second := b.send(url, "x"), b.send(url, "x"); *first.MessageId == *second.MessageId {
			b.Error("two messages have one id")
		}
		b.counts(url, "2", "0", "0")
	}},
	{Name: "identity/deleting twice", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		b.delete(url, handle)
		b.delete(url, handle)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "identity/a stale handle deletes nothing", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "1"})
		b.send(url, "x")
		stale := b.one(url).ReceiptHandle
		time.Sleep(time.Second)
		latest := b.one(url).ReceiptHandle
		b.delete(url, stale)
		b.counts(url, "0", "1", "0")
		b.delete(url, latest)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "identity/an expired handle still deletes", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "1"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(1100 * time.Millisecond)
		b.counts(url, "1", "0", "0")
		b.delete(url, handle)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "identity/invalid handles", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := *b.one(url).ReceiptHandle
		for _, garbage := range []string{"garbage", "AAAA", handle + "AAAA", "B" + handle} {
			fails[*types.ReceiptHandleIsInvalid](b, b.tryDelete(url, &garbage))
			fails[*types.ReceiptHandleIsInvalid](b, b.changeVisibility(url, &garbage, 1))
		}
		if b.tryDelete(url, aws.String("")) == nil {
			b.Error("deleted without a handle")
		}
	}},
	{Name: "identity/the handle of another queue", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		fails[*types.ReceiptHandleIsInvalid](b, b.tryDelete(b.queue(nil), b.one(url).ReceiptHandle))
		b.counts(url, "0", "1", "0")
	}},
}

var visibility = []check{
	{Name: "visibility/expiry", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "2"})
		b.send(url, "x")
		b.one(url)
		b.counts(url, "0", "1", "0")
		b.none(url)
		time.Sleep(1900 * time.Millisecond)
		b.none(url)
		time.Sleep(200 * time.Millisecond)
		b.counts(url, "1", "0", "0")
		b.one(url)
	}},
	{Name: "visibility/of one receive", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 1, VisibilityTimeout: 1})
		b.none(url)
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
		time.Sleep(1100 * time.Millisecond)
		b.none(url)
	}},
	{Name: "visibility/release by zero", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		b.must(b.changeVisibility(url, b.one(url).ReceiptHandle, 0))
		b.counts(url, "1", "0", "0")
		equal(b, "receive count", b.one(url).Attributes["ApproximateReceiveCount"], "2")
	}},
	{Name: "visibility/extension counts from the call", Lasts: 4 * time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "2"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(time.Second)
		b.must(b.changeVisibility(url, handle, 3))
		time.Sleep(2500 * time.Millisecond)
		b.none(url)
		time.Sleep(700 * time.Millisecond)
		b.one(url)
	}},
	{Name: "visibility/an extension is not remembered", Lasts: 3 * time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "1"})
		b.send(url, "x")
		b.must(b.changeVisibility(url, b.one(url).ReceiptHandle, 2))
		time.Sleep(2100 * time.Millisecond)
		b.one(url)
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
	}},
	{Name: "visibility/an expired receive cannot be extended", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "1"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(1100 * time.Millisecond)
		fails[*types.MessageNotInflight](b, b.changeVisibility(url, handle, 10))
		b.counts(url, "1", "0", "0")
	}},
	{Name: "visibility/a stale handle cannot extend", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		stale := b.one(url).ReceiptHandle
		b.must(b.changeVisibility(url, stale, 0))
		latest := b.one(url).ReceiptHandle
		b.refused("a stale handle", b.changeVisibility(url, stale, 0))
		b.counts(url, "0", "1", "0")
		b.must(b.changeVisibility(url, latest, 0))
	}},
	{Name: "visibility/a deleted message cannot be extended", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		b.delete(url, handle)
		b.refused("a deleted message", b.changeVisibility(url, handle, 10))
	}},
	{Name: "visibility/range", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		for _, timeout := range []int32{-1, 43201} {
			b.refused("a change", b.changeVisibility(url, handle, timeout))
			_, err := b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: timeout})
			b.refused("a receive", err)
		}
	}},
	{Name: "visibility/twelve hours from the receive", Lasts: 12 * time.Hour, Run: func(b *bench) {
		url := b.queue(queueAttributes{"VisibilityTimeout": "43200"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(11 * time.Hour)
		b.refused("more than 12 hours", b.changeVisibility(url, handle, 3601))
		b.must(b.changeVisibility(url, handle, 3600))
		time.Sleep(time.Hour)
		equal(b, "receive count", b.one(url).Attributes["ApproximateReceiveCount"], "2")
	}},
	{Name: "visibility/batch", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.sendBatch(url, entries(3, 1))
		b.must(err)
		got := b.poll(url, 1)
		if len(got) != 3 {
			b.Fatalf("received %d messages", len(got))
		}
		b.delete(url, got[2].ReceiptHandle)
		changed, err := b.changeBatch(url, 100, got[1].ReceiptHandle, got[2].ReceiptHandle, aws.String("garbage"))
		b.must(err)
		equal(b, "successful", len(changed.Successful), 1)
		equal(b, "failed", len(changed.Failed), 2)
		for _, failed := range changed.Failed {
			equal(b, "sender fault of "+*failed.Id, failed.SenderFault, true)
		}
		_, err = b.changeBatch(url, 0, got[0].ReceiptHandle)
		b.must(err)
		b.counts(url, "1", "1", "0")
	}},
	{Name: "visibility/delays", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"DelaySeconds": "2"})
		b.send(url, "queue's delay")
		b.sendDelayed(url, "own delay", 1)
		b.counts(url, "0", "0", "2")
		b.none(url)
		time.Sleep(1100 * time.Millisecond)
		equal(b, "first body", *b.one(url).Body, "own delay")
		b.counts(url, "0", "1", "1")
		time.Sleep(time.Second)
		equal(b, "second body", *b.one(url).Body, "queue's delay")
	}},
}

// changeBatch changes the visibility of several messages.
func (b *bench) changeBatch(url string, timeout int32, handles ...*string) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	changes := []types.ChangeMessageVisibilityBatchRequestEntry{}
	for i, handle := range handles {
		changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: handle, VisibilityTimeout: timeout,
		})
	}
	return b.client.ChangeMessageVisibilityBatch(b.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: changes})
}

// maxPollDelay is the maximum delay of a waiting poll on a busy machine in real time.
const maxPollDelay = 900 * time.Millisecond

// polls makes a check of one poll of up to wait seconds on a queue after before ran; a
// second later, meanwhile runs. The poll must return count messages after the time.
func polls(name string, after time.Duration, attributes queueAttributes, wait int32, count int, before, meanwhile func(b *bench, url string)) check {
	return check{Name: "polling/" + name, Lasts: after.Round(time.Second), Run: func(b *bench) {
		url := b.queue(attributes)
		if before != nil {
			before(b, url)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if meanwhile != nil {
				time.Sleep(time.Second)
				meanwhile(b, url)
			}
		}()
		start := time.Now()
		messages := b.poll(url, wait)
		b.tookAbout(start, after)
		equal(b, "received", len(messages), count)
		<-done
	}}
}

func (b *bench) tookAbout(start time.Time, want time.Duration) {
	b.Helper()
	if took := time.Since(start); took < want || took > want+maxPollDelay {
		b.Errorf("the poll took %s, want %s", took, want)
	}
}

func sendOne(b *bench, url string) { b.send(url, "x") }

func hideOne(b *bench, url string) {
	b.send(url, "x")
	b.one(url)
}

var polling = []check{
	polls("the full wait when empty", 2*time.Second, nil, 2, 0, nil, nil),
	polls("no wait when there is a message", 0, nil, 20, 1, sendOne, nil),
	polls("the queue's wait", 2*time.Second, queueAttributes{"ReceiveMessageWaitTimeSeconds": "2"}, 0, 0, nil, nil),
	polls("a call's wait goes before the queue's", time.Second, queueAttributes{"ReceiveMessageWaitTimeSeconds": "20"}, 1, 0, nil, nil),
	polls("woken by a message", time.Second, nil, 20, 1, nil, sendOne),
	polls("woken by an expiry", 1900*time.Millisecond, queueAttributes{"VisibilityTimeout": "2"}, 20, 1, hideOne, nil),
	polls("woken by the end of a delay", 1900*time.Millisecond, queueAttributes{"DelaySeconds": "2"}, 20, 1, sendOne, nil),
	polls("woken by what comes first", 1900*time.Millisecond, nil, 20, 1, hideOne, func(b *bench, url string) { b.sendDelayed(url, "delayed by a second", 1) }),
	{Name: "polling/woken by a release, delayed by an extension", Lasts: 4 * time.Second, Run: func(b *bench) {
		for timeout, after := range map[int32]time.Duration{0: time.Second, 3: 3900 * time.Millisecond} {
			url := b.queue(queueAttributes{"VisibilityTimeout": "2"})
			b.send(url, "x")
			handle := b.one(url).ReceiptHandle
			start := time.Now()
			done := make(chan error, 1)
			go func() {
				time.Sleep(time.Second)
				done <- b.changeVisibility(url, handle, timeout)
			}()
			equal(b, "received", len(b.poll(url, 20)), 1)
			b.tookAbout(start, after)
			b.must(<-done)
		}
	}},
	{Name: "polling/a cancelled poll loses nothing", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		ctx, cancel := context.WithTimeout(b.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := b.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		if !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("error %v", err)
		}
		time.Sleep(500 * time.Millisecond) // for the service to notice
		b.send(url, "x")
		b.counts(url, "1", "0", "0")
		equal(b, "receive count", b.one(url).Attributes["ApproximateReceiveCount"], "1")
	}},
	{Name: "polling/one message for one of many polls", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		received := make(chan int)
		const polls = 5
		for range polls {
			go func() { received <- len(b.poll(url, 2)) }()
		}
		time.Sleep(time.Second)
		b.send(url, "x")
		total := 0
		for range polls {
			total += <-received
		}
		equal(b, "received", total, 1)
	}},
	{Name: "polling/every poll gets its message", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		const polls = 5
		received := make(chan int)
		for range polls {
			go func() { received <- len(b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 20})) }()
		}
		time.Sleep(time.Second)
		start := time.Now()
		_, err := b.sendBatch(url, entries(polls, 1))
		b.must(err)
		for range polls {
			equal(b, "received", <-received, 1)
		}
		b.tookAbout(start, 0)
	}},
}
