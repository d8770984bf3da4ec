package contract

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var visibility = []check{
	{Name: "visibility/expiry", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "2"})
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
		b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1, VisibilityTimeout: 1})
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
		url := b.queue(map[string]string{"VisibilityTimeout": "2"})
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
		url := b.queue(map[string]string{"VisibilityTimeout": "1"})
		b.send(url, "x")
		b.must(b.changeVisibility(url, b.one(url).ReceiptHandle, 2))
		time.Sleep(2100 * time.Millisecond)
		b.one(url)
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
	}},
	{Name: "visibility/an expired receive cannot be extended", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "1"})
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
		b.refused(b.changeVisibility(url, stale, 0))
		b.counts(url, "0", "1", "0")
		b.must(b.changeVisibility(url, latest, 0))
	}},
	{Name: "visibility/a deleted message cannot be extended", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		b.delete(url, handle)
		b.refused(b.changeVisibility(url, handle, 10))
	}},
	{Name: "visibility/range", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		b.refused(b.changeVisibility(url, handle, -1))
		b.refused(b.changeVisibility(url, handle, 43201))
		for _, timeout := range []int32{-1, 43201} {
			_, err := b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: timeout})
			b.refused(err)
		}
	}},
	{Name: "visibility/twelve hours from the receive", Lasts: 12 * time.Hour, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "43200"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(11 * time.Hour)
		b.refused(b.changeVisibility(url, handle, 3601))
		b.must(b.changeVisibility(url, handle, 3600))
		time.Sleep(time.Hour)
		equal(b, "receive count", b.one(url).Attributes["ApproximateReceiveCount"], "2")
	}},
	{Name: "visibility/batch", Run: func(b *bench) {
		url := b.queue(nil)
		for range 3 {
			b.send(url, "x")
		}
		got := b.poll(url, 1)
		if len(got) != 3 {
			b.Fatalf("received %d messages", len(got))
		}
		b.delete(url, got[2].ReceiptHandle)
		changed, err := b.client.ChangeMessageVisibilityBatch(b.Context(), &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: &url,
			Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("release"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
				{Id: aws.String("extend"), ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: 100},
				{Id: aws.String("deleted"), ReceiptHandle: got[2].ReceiptHandle, VisibilityTimeout: 100},
				{Id: aws.String("garbage"), ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 100},
			},
		})
		b.must(err)
		equal(b, "successful", len(changed.Successful), 2)
		equal(b, "failed", len(changed.Failed), 2)
		for _, failed := range changed.Failed {
			equal(b, "sender fault of "+*failed.Id, failed.SenderFault, true)
		}
		b.counts(url, "1", "1", "0")
	}},
	{Name: "visibility/delays", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"DelaySeconds": "2"})
		b.send(url, "queue's delay")
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("own delay"), DelaySeconds: 1})
		b.counts(url, "0", "0", "2")
		b.none(url)
		time.Sleep(1100 * time.Millisecond)
		equal(b, "first body", *b.one(url).Body, "own delay")
		b.counts(url, "0", "1", "1")
		time.Sleep(time.Second)
		equal(b, "second body", *b.one(url).Body, "queue's delay")
	}},
}
