package contract

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// entries makes a batch of n messages of so many bytes each.
func entries(n, size int) []types.SendMessageBatchRequestEntry {
	batch := make([]types.SendMessageBatchRequestEntry, n)
	for i := range batch {
		batch[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strings.Repeat("x", size))}
	}
	return batch
}

func (b *bench) sendBatch(url string, entries []types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	b.Helper()
	return b.client.SendMessageBatch(b.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
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
		got := b.poll(url, 1)
		equal(b, "received", len(got), 10)
		var deletes []types.DeleteMessageBatchRequestEntry
		for i, message := range got {
			deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: message.ReceiptHandle})
		}
		deleted, err := b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
		b.must(err)
		equal(b, "deleted", len(deleted.Successful), 10)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "batches/empty", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.sendBatch(url, entries(0, 0))
		fails[*types.EmptyBatchRequest](b, err)
		_, err = b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{}})
		fails[*types.EmptyBatchRequest](b, err)
		_, err = b.client.ChangeMessageVisibilityBatch(b.Context(), &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{},
		})
		fails[*types.EmptyBatchRequest](b, err)
	}},
	{Name: "batches/eleven", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.sendBatch(url, entries(11, 1))
		fails[*types.TooManyEntriesInBatchRequest](b, err)
		b.counts(url, "0", "0", "0")

		b.send(url, "x")
		handle := b.one(url).ReceiptHandle
		var deletes []types.DeleteMessageBatchRequestEntry
		var changes []types.ChangeMessageVisibilityBatchRequestEntry
		for i := range 11 {
			id := aws.String(strconv.Itoa(i))
			deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: handle})
			changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: handle})
		}
		_, err = b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
		fails[*types.TooManyEntriesInBatchRequest](b, err)
		_, err = b.client.ChangeMessageVisibilityBatch(b.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: changes})
		fails[*types.TooManyEntriesInBatchRequest](b, err)
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
		// name (4) + type (6) + value (5) = 15
		batch[7].MessageAttributes = map[string]types.MessageAttributeValue{"name": text("value")}
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
		_, err := b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{
			QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("stale"), ReceiptHandle: stale}},
		})
		b.must(err)
		b.counts(url, "0", "1", "0")
	}},
	{Name: "batches/an entry fails alone", Run: func(b *bench) {
		url := b.queue(map[string]string{"MaximumMessageSize": "1024"})
		batch := entries(6, 1)
		batch[1].MessageBody = aws.String("\x01")
		batch[2].MessageBody = aws.String(strings.Repeat("x", 1025))
		batch[3].DelaySeconds = 901
		batch[4].MessageAttributes = map[string]types.MessageAttributeValue{"AWS.x": text("x")}
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
		deleted, err := b.client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{
			QueueUrl: &url,
			Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("good"), ReceiptHandle: b.one(url).ReceiptHandle},
				{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
			},
		})
		b.must(err)
		if len(deleted.Successful) != 1 || *deleted.Successful[0].Id != "good" {
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
		batch[0].MessageAttributes = map[string]types.MessageAttributeValue{
			"timestamp": {DataType: aws.String("Number"), StringValue: aws.String("1493147359900")},
		}
		sent, err := b.sendBatch(url, batch)
		b.must(err)
		equal(b, "digest", aws.ToString(sent.Successful[0].MD5OfMessageAttributes), "235c5c510d26fb653d073faed50ae77c")
		equal(b, "value", *b.one(url).MessageAttributes["timestamp"].StringValue, "1493147359900")
	}},
}
