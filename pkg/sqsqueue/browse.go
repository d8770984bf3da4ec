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
	// browseVisibility is the time for which a browsed message is hidden if makeVisible does not run,
	// for example because the process is killed.
	browseVisibility = 10 * time.Minute
	// browseTimeout is below browseVisibility, so that the first messages are still hidden at the end.
	browseTimeout = 9 * time.Minute
	// browseWait makes every receive a long poll. Short polls ask a subset of SQS's servers
	// and can find nothing in a queue with messages.
	browseWait = time.Second
	// maxBrowse is below 120,000, the maximum of hidden messages of a queue. At that maximum, SQS
	// answers long polls as if the queue were empty.
	maxBrowse = 100_000

	makeVisibleTimeout     = 2 * time.Minute
	makeVisibleConcurrency = 8 // batches in flight
)

// Browse passes the messages of the dead-letter queue to visit, each message once and up to ten in a
// call, until visit returns false. Then it makes the messages visible again; visit may have deleted some.
// SQS has no read without a receive: other consumers cannot receive a browsed message before it is
// visible again, 10 minutes later at the latest, and its receive count grows.
//
// complete reports whether visit has seen the whole queue. It is false after an error of a receive, and if
//   - visit returned false;
//   - other consumers had received messages at the start (by SQS's count, which can be a minute old);
//   - the limit of 9 minutes or of 100,000 messages was reached.
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

// countInFlight returns the number of hidden messages, which consumers have received and not deleted.
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

// visitAll receives messages and passes them to visit, until the queue is empty or a limit of Browse is
// reached. It records the latest receipt of each message.
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeVisibleTimeout)
	defer cancel()
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, 0, len(receipts))
	for _, receipt := range receipts {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id:            aws.String(entryID(len(entries) % maxBatchEntries)),
			ReceiptHandle: &receipt,
		})
	}
	var batches errgroup.Group // without a context, so that the other batches continue after a failure
	batches.SetLimit(makeVisibleConcurrency)
	for batch := range slices.Chunk(entries, maxBatchEntries) {
		batches.Go(func() error { return d.makeBatchVisible(ctx, batch) })
	}
	if err := batches.Wait(); err != nil {
		return fmt.Errorf("browse: some messages stay hidden for up to %s: %w", browseVisibility, err)
	}
	return nil
}

// makeBatchVisible makes the messages of one batch visible. It ignores entries that SQS refuses: visit
// has deleted their messages, or another consumer has received them.
func (d *DeadLetters) makeBatchVisible(ctx context.Context, batch []types.ChangeMessageVisibilityBatchRequestEntry) error {
	_, err := untilDone(ctx, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		output, err := d.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &d.url, Entries: batch}, withoutRetries)
		if err != nil {
			return struct{}{}, failureOf(err)
		}
		for _, entry := range output.Failed {
			if failed := failureOfEntry(entry); failed.isRetryable() {
				return struct{}{}, failed
			}
		}
		return struct{}{}, nil
	})
	return err
}
