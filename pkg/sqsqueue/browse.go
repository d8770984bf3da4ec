package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/queue"
)

const (
	// browseVisibility hides a browsed message, also if the process dies before it releases
	// the message.
	browseVisibility = 10 * time.Minute
	// browseTimeout is below browseVisibility, so that no message appears twice.
	browseTimeout = 9 * time.Minute
	// browseWait makes every receive a long poll. Short polls ask a subset of SQS's servers
	// and can find nothing in a queue with messages.
	browseWait = time.Second
	// maxBrowse is below the 120,000 messages that may be in flight. Above, SQS answers long
	// polls as if the queue were empty.
	maxBrowse = 100_000

	releaseTimeout     = 2 * time.Minute
	releaseConcurrency = 8 // batches in flight
)

// Browse calls visit once for each message in the dead-letter queue, up to ten at a time,
// until visit returns false, and then makes all messages visible again that visit has not
// deleted. SQS has no read without a receive: browsed messages are hidden from other
// consumers, each for up to 10 minutes, and their receive count grows by one.
//
// Complete reports whether visit has seen the whole queue. It is false if visit returned
// false, if other consumers held messages at the start (by SQS's count, up to a minute old),
// or after 9 minutes or 100,000 messages. After an error, messages can stay hidden for up to
// 10 minutes.
func (d *DeadLetters) Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error) {
	inFlight, err := d.countInFlight(ctx)
	if err != nil {
		return false, err
	}
	receipts := map[string]string{} // by message id
	empty, err := d.visitAll(ctx, receipts, visit)
	err = errors.Join(err, d.makeVisible(ctx, receipts))
	return empty && inFlight == 0, err
}

// countInFlight returns the number of messages that other consumers have received.
func (d *DeadLetters) countInFlight(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const name = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	output, err := d.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &d.url,
		AttributeNames: []types.QueueAttributeName{name},
	})
	if err != nil {
		return 0, fmt.Errorf("browse: %w", failureOf(err))
	}
	count, err := strconv.Atoi(output.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("browse: %s: %w", name, err)
	}
	return count, nil
}

// visitAll receives until the queue is empty, and records the receipt of each message.
func (d *DeadLetters) visitAll(ctx context.Context, receipts map[string]string, visit func([]queue.Message) bool) (empty bool, err error) {
	for end := time.Now().Add(browseTimeout); time.Now().Before(end) && len(receipts) < maxBrowse; {
		messages, err := receive(ctx, d.client, &sqs.ReceiveMessageInput{
			QueueUrl:            &d.url,
			MaxNumberOfMessages: maxBatchEntries,
			WaitTimeSeconds:     seconds(browseWait),
			VisibilityTimeout:   seconds(browseVisibility),
		})
		if err != nil {
			return false, fmt.Errorf("browse: %w", err)
		}
		if len(messages) == 0 {
			return true, nil
		}
		unseen := messages[:0]
		for _, message := range messages {
			if _, seen := receipts[message.ID]; !seen { // SQS may deliver a message twice
				unseen = append(unseen, message)
			}
			receipts[message.ID] = message.Receipt
		}
		if len(unseen) > 0 && !visit(unseen) {
			return false, nil
		}
	}
	return false, nil
}

// makeVisible makes messages visible again, also after ctx has ended.
func (d *DeadLetters) makeVisible(ctx context.Context, receipts map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, 0, len(receipts))
	for _, receipt := range receipts {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id:            aws.String(entryID(len(entries) % maxBatchEntries)),
			ReceiptHandle: &receipt,
		})
	}
	var batches errgroup.Group // without a context: one failure does not stop the others
	batches.SetLimit(releaseConcurrency)
	for batch := range slices.Chunk(entries, maxBatchEntries) {
		batches.Go(func() error { return d.makeBatchVisible(ctx, batch) })
	}
	if err := batches.Wait(); err != nil {
		return fmt.Errorf("browse: some messages stay hidden for up to %s: %w", browseVisibility, err)
	}
	return nil
}

// makeBatchVisible ignores client errors of entries: their messages were deleted by visit, or
// received by another consumer.
func (d *DeadLetters) makeBatchVisible(ctx context.Context, batch []types.ChangeMessageVisibilityBatchRequestEntry) error {
	_, err := untilDone(ctx, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		output, err := d.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &d.url, Entries: batch}, withoutRetries)
		if err != nil {
			return struct{}{}, failureOf(err)
		}
		for _, entry := range output.Failed {
			if failed := failureOfEntry(entry); failed.retryable() {
				return struct{}{}, failed
			}
		}
		return struct{}{}, nil
	})
	return err
}
