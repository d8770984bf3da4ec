package sqstest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// entries makes a batch of n messages of size bytes each.
func entries(n, size int) []types.SendMessageBatchRequestEntry {
	batch := make([]types.SendMessageBatchRequestEntry, n)
	for i := range batch {
		batch[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strings.Repeat("x", size))}
	}
	return batch
}

func (b *bench) sendBatch(url string, entries []types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	return b.client.SendMessageBatch(b.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
}

func (b *bench) deleteBatch(url string, handles ...*string) (*sqs.DeleteMessageBatchOutput, error) {
	deletes := []types.DeleteMessageBatchRequestEntry{}
	for i, handle := range handles {
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: handle})
	}
	return b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
}

var batches = []check{
	{Name: "batches/ten", Run: func(b *bench) {
		url := b.queue(nil)
		sent, err := b.sendBatch(url, entries(10, 1))
		b.must(err)
		equal(b, "successful", len(sent.Successful), 10)
		equal(b, "failed", len(sent.Failed), 0)
		ids := map[string]bool{}
		for _, entry := range sent.Successful {
			ids[*entry.MessageId] = true
		}
		equal(b, "distinct ids", len(ids), 10)
		var handles []*string
		for _, message := range b.poll(url, 1) {
			handles = append(handles, message.ReceiptHandle)
		}
		equal(b, "received", len(handles), 10)
		deleted, err := b.deleteBatch(url, handles...)
		b.must(err)
		equal(b, "deleted", len(deleted.Successful), 10)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "batches/empty", Run: func(b *bench) {
		url := b.queue(nil)
		_, send := b.sendBatch(url, entries(0, 0))
		_, remove := b.deleteBatch(url)
		_, change := b.changeBatch(url, 1)
		for _, err := range []error{send, remove, change} {
			fails[*types.EmptyBatchRequest](b, err)
		}
	}},
	{Name: "batches/eleven", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		handles := make([]*string, 11)
		for i, handle := 0, b.one(url).ReceiptHandle; i < len(handles); i++ {
			handles[i] = handle
		}
		_, send := b.sendBatch(url, entries(11, 1))
		_, remove := b.deleteBatch(url, handles...)
		_, change := b.changeBatch(url, 0, handles...)
		for _, err := range []error{send, remove, change} {
			fails[*types.TooManyEntriesInBatchRequest](b, err)
		}
		b.counts(url, "0", "1", "0")
	}},
	{Name: "batches/ids", Run: func(b *bench) {
		url := b.queue(nil)
		for _, id := range []string{"", "with space", "with.dot", "ümlaut", strings.Repeat("i", 81)} {
			batch := entries(2, 1)
			batch[1].Id = &id
			_, err := b.sendBatch(url, batch)
			fails[*types.InvalidBatchEntryId](b, err)
		}
		batch := entries(2, 1)
		batch[1].Id = batch[0].Id
		_, err := b.sendBatch(url, batch)
		fails[*types.BatchEntryIdsNotDistinct](b, err)
		b.counts(url, "0", "0", "0")
		batch[1].Id = aws.String(strings.Repeat("aZ09-_xx", 10))
		_, err = b.sendBatch(url, batch)
		b.must(err)
	}},
	{Name: "batches/one mebibyte in all", Run: func(b *bench) {
		url := b.queue(nil)
		batch := entries(8, mebibyte/8)
		sent, err := b.sendBatch(url, batch)
		b.must(err)
		equal(b, "successful", len(sent.Successful), 8)
		batch[0].MessageBody = aws.String(*batch[0].MessageBody + "x")
		_, err = b.sendBatch(url, batch)
		fails[*types.BatchRequestTooLong](b, err)
	}},
	{Name: "batches/attributes count toward the total", Run: func(b *bench) {
		url := b.queue(nil)
		batch := entries(8, mebibyte/8)
		batch[7].MessageBody = aws.String((*batch[7].MessageBody)[15:])
		batch[7].MessageAttributes = attributes{"name": text("value")} // 4 + type (6) + 5 = 15
		sent, err := b.sendBatch(url, batch)
		b.must(err)
		equal(b, "successful", len(sent.Successful), 8)
		batch[7].MessageAttributes["name"] = text("values")
		_, err = b.sendBatch(url, batch)
		fails[*types.BatchRequestTooLong](b, err)
	}},
	{Name: "batches/a stale handle deletes nothing", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		stale := b.one(url).ReceiptHandle
		b.must(b.changeVisibility(url, stale, 0))
		b.one(url)
		_, err := b.deleteBatch(url, stale)
		b.must(err)
		b.counts(url, "0", "1", "0")
	}},
	{Name: "batches/an entry fails alone", Run: func(b *bench) {
		url := b.queue(queueAttributes{"MaximumMessageSize": "1024"})
		batch := entries(6, 1)
		batch[1].MessageBody = aws.String("\x01")
		batch[2].MessageBody = aws.String(strings.Repeat("x", 1025))
		batch[3].DelaySeconds = 901
		batch[4].MessageAttributes = attributes{"AWS.x": text("x")}
		sent, err := b.sendBatch(url, batch)
		b.must(err)
		equal(b, "successful", len(sent.Successful), 2)
		codes := map[string]string{}
		for _, entry := range sent.Failed {
			codes[*entry.Id] = *entry.Code
			equal(b, "sender fault", entry.SenderFault, true)
		}
		equal(b, "failed", len(codes), 4)
		equal(b, "code of invalid contents", codes["1"], "InvalidMessageContents")
		b.counts(url, "2", "0", "0")
	}},
	{Name: "batches/a delay per entry", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(nil)
		batch := entries(2, 1)
		batch[1].DelaySeconds = 1
		_, err := b.sendBatch(url, batch)
		b.must(err)
		b.counts(url, "1", "0", "1")
		time.Sleep(1100 * time.Millisecond)
		b.counts(url, "2", "0", "0")
	}},
	{Name: "batches/delete with a bad handle", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		deleted, err := b.deleteBatch(url, b.one(url).ReceiptHandle, aws.String("garbage"))
		b.must(err)
		if len(deleted.Successful) != 1 || *deleted.Successful[0].Id != "0" {
			b.Errorf("successful are %v", deleted.Successful)
		}
		if len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" || !deleted.Failed[0].SenderFault {
			b.Errorf("failed are %v", deleted.Failed)
		}
		b.counts(url, "0", "0", "0")
	}},
	{Name: "batches/attributes and digests", Run: func(b *bench) {
		url := b.queue(nil)
		batch := entries(1, 1)
		batch[0].MessageAttributes = attributes{"timestamp": typed("Number", "1493147359900")}
		sent, err := b.sendBatch(url, batch)
		b.must(err)
		equal(b, "digest", aws.ToString(sent.Successful[0].MD5OfMessageAttributes), "235c5c510d26fb653d073faed50ae77c")
		equal(b, "value", *b.one(url).MessageAttributes["timestamp"].StringValue, "1493147359900")
	}},
}

var concurrency = []check{
	{Name: "concurrency/many senders, many polls", Lasts: 3 * time.Second, Run: func(b *bench) {
		const senders, batchesEach, polls = 8, 10, 16
		url := b.queue(nil)
		var working sync.WaitGroup
		for sender := range senders {
			working.Go(func() {
				for batch := range batchesEach {
					messages := entries(10, 1)
					for i := range messages {
						messages[i].MessageBody = aws.String(fmt.Sprintf("%d/%d/%d", sender, batch, i))
					}
					if _, err := b.sendBatch(url, messages); err != nil {
						b.Error(err)
					}
				}
			})
		}
		var mu sync.Mutex
		received := map[string]int{}
		for range polls {
			working.Go(func() {
				for messages := b.poll(url, 2); len(messages) > 0; messages = b.poll(url, 2) {
					for _, message := range messages {
						mu.Lock()
						received[*message.Body]++
						mu.Unlock()
						b.delete(url, message.ReceiptHandle)
					}
				}
			})
		}
		working.Wait()
		equal(b, "different messages", len(received), senders*batchesEach*10)
		for body, times := range received {
			equal(b, "receives of "+body, times, 1)
		}
		b.counts(url, "0", "0", "0")
	}},
}
