package contract

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// prompt is how late a waiting poll may be on a busy machine in real time.
const prompt = 900 * time.Millisecond

// after runs do a little later, so that a poll waits by then.
func after(delay time.Duration, do func()) (done <-chan struct{}) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		time.Sleep(delay)
		do()
	}()
	return finished
}

// pollTook polls for up to wait seconds and tells how long it took.
func (b *bench) pollTook(url string, wait int32) (messages []types.Message, took time.Duration) {
	b.Helper()
	start := time.Now()
	messages = b.poll(url, wait)
	return messages, time.Since(start)
}

// within wants one message, after at least `least` and not much later.
func (b *bench) within(messages []types.Message, took, least time.Duration) {
	b.Helper()
	equal(b, "received", len(messages), 1)
	if took < least || took > least+prompt {
		b.Errorf("the poll took %s, want %s", took, least)
	}
}

var polling = []check{
	{Name: "polling/the full wait when empty", Lasts: 2 * time.Second, Run: func(b *bench) {
		messages, took := b.pollTook(b.queue(nil), 2)
		equal(b, "received", len(messages), 0)
		if took < 2*time.Second || took > 2*time.Second+prompt {
			b.Errorf("the poll took %s", took)
		}
	}},
	{Name: "polling/no wait when there is a message", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, 0)
	}},
	{Name: "polling/the queue's wait", Lasts: 2 * time.Second, Run: func(b *bench) {
		_, took := b.pollTook(b.queue(map[string]string{"ReceiveMessageWaitTimeSeconds": "2"}), 0)
		if took < 2*time.Second || took > 2*time.Second+prompt {
			b.Errorf("the poll took %s", took)
		}
	}},
	{Name: "polling/a call's wait goes before the queue's", Lasts: time.Second, Run: func(b *bench) {
		_, took := b.pollTook(b.queue(map[string]string{"ReceiveMessageWaitTimeSeconds": "20"}), 1)
		if took < time.Second || took > time.Second+prompt {
			b.Errorf("the poll took %s", took)
		}
	}},
	{Name: "polling/woken by a message", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		done := after(time.Second, func() { b.send(url, "x") })
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, time.Second)
		<-done
	}},
	{Name: "polling/woken by a release", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		done := after(time.Second, func() {
			if err := b.changeVisibility(url, handle, 0); err != nil {
				b.Error(err)
			}
		})
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, time.Second)
		<-done
	}},
	{Name: "polling/woken by an expiry", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "2"})
		b.send(url, "x")
		b.one(url)
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, 1900*time.Millisecond)
	}},
	{Name: "polling/woken by the end of a delay", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"DelaySeconds": "2"})
		b.send(url, "x")
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, 1900*time.Millisecond)
	}},
	{Name: "polling/woken by what comes first", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "hidden for half a minute")
		b.one(url)
		done := after(time.Second, func() {
			b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("delayed by a second"), DelaySeconds: 1})
		})
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, 1900*time.Millisecond)
		<-done
	}},
	{Name: "polling/an extension holds the poll", Lasts: 4 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "2"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		done := after(time.Second, func() {
			if err := b.changeVisibility(url, handle, 3); err != nil {
				b.Error(err)
			}
		})
		messages, took := b.pollTook(url, 20)
		b.within(messages, took, 3900*time.Millisecond)
		<-done
	}},
	{Name: "polling/a cancelled poll loses nothing", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		ctx, cancel := context.WithTimeout(b.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := b.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		if !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("the error is %v", err)
		}
		time.Sleep(500 * time.Millisecond) // for the service to hear of it
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
			go func() {
				received <- len(b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20}))
			}()
		}
		time.Sleep(time.Second)
		start := time.Now()
		_, err := b.sendBatch(url, entries(polls, 1))
		b.must(err)
		for range polls {
			equal(b, "received", <-received, 1)
		}
		if took := time.Since(start); took > prompt {
			b.Errorf("the polls took %s", took)
		}
	}},
}
