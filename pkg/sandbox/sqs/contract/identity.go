package contract

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var identity = []check{
	{Name: "identity/the id stays, the handle changes", Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "0"})
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
		first, second := b.send(url, "x"), b.send(url, "x")
		if *first.MessageId == *second.MessageId {
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
		url := b.queue(map[string]string{"VisibilityTimeout": "1"})
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
		url := b.queue(map[string]string{"VisibilityTimeout": "1"})
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		time.Sleep(1100 * time.Millisecond)
		b.counts(url, "1", "0", "0")
		b.delete(url, handle)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "identity/garbage is no handle", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handle := *b.one(url).ReceiptHandle
		for _, garbage := range []string{"garbage", "AAAA", handle + "AAAA", "B" + handle} {
			_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &garbage})
			fails[*types.ReceiptHandleIsInvalid](b, err)
			fails[*types.ReceiptHandleIsInvalid](b, b.changeVisibility(url, &garbage, 1))
		}
	}},
	{Name: "identity/the handle of another queue", Run: func(b *bench) {
		url, other := b.queue(nil), b.queue(nil)
		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: &other, ReceiptHandle: handle})
		fails[*types.ReceiptHandleIsInvalid](b, err)
		b.counts(url, "0", "1", "0")
	}},
	{Name: "identity/no handle", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("")})
		if err == nil {
			b.Error("deleted without a handle")
		}
	}},
}
