package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

const (
	// browseInvisible is how long a message that was seen stays hidden if the process
	// dies before it gives it back.
	browseInvisible = 10 * time.Minute
	// browseTime is how long a browse may take: what it saw first must not appear
	// again before it is through.
	browseTime = 9 * time.Minute
	// browseWait makes the receives long polls, which ask all of SQS's servers; short
	// ones ask a part of them and find nothing where there is something.
	browseWait = time.Second
	// browseMost stays below the 120,000 messages that may be in flight: beyond, SQS
	// answers long polls as if the queue were empty.
	browseMost = 100_000

	giveBackTime    = 2 * time.Minute
	giveBackFlights = 8 // batches under way at once
)

// BrowseAPI is what DeadLetters needs of the SDK's client to browse.
type BrowseAPI interface {
	AttributesAPI
	ReceiveMessage(ctx context.Context, input *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	ChangeMessageVisibilityBatch(ctx context.Context, input *sqs.ChangeMessageVisibilityBatchInput, options ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Browse calls visit once for each message in the dead-letter queue, up to ten at a
// time, until visit returns false, and gives all back when it is through; a message that
// visit has deleted stays deleted. SQS knows no reading without receiving, so meanwhile
// the messages are hidden from everybody else, each for 10 minutes from when visit is
// called with it, and the receive count of each grows by one.
//
// Complete is true if what visit saw is all there was. It is false when visit ended
// the browse, when somebody else held messages as it began (by SQS's count, which may
// be a minute late), or when a limit was met: 9 minutes, 100,000 messages. An error
// may come with messages that were not given back; they appear by themselves
// within 10 minutes.
func (d *DeadLetters) Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error) {
	held, err := d.inFlight(ctx)
	if err != nil {
		return false, err
	}
	receipts := map[string]string{} // by message id
	through, err := d.visitAll(ctx, receipts, visit)
	err = errors.Join(err, d.giveBack(ctx, receipts))
	return through && held == 0, err
}

// inFlight counts the messages that somebody has received and not given back.
func (d *DeadLetters) inFlight(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
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

// visitAll receives until the queue is empty and notes the receipt of each message.
func (d *DeadLetters) visitAll(ctx context.Context, receipts map[string]string, visit func([]queue.Message) bool) (through bool, err error) {
	for end := time.Now().Add(browseTime); time.Now().Before(end) && len(receipts) < browseMost; {
		messages, err := receive(ctx, d.client, &sqs.ReceiveMessageInput{
			QueueUrl:            &d.url,
			MaxNumberOfMessages: maxBatchEntries,
			WaitTimeSeconds:     seconds(browseWait),
			VisibilityTimeout:   seconds(browseInvisible),
		})
		if err != nil {
			return false, fmt.Errorf("browse: %w", err)
		}
		if len(messages) == 0 {
			return true, nil
		}
		fresh := messages[:0]
		for _, message := range messages {
			if _, seen := receipts[message.ID]; !seen { // SQS may hand out a message twice
				fresh = append(fresh, message)
			}
			receipts[message.ID] = message.Receipt
		}
		if len(fresh) > 0 && !visit(fresh) {
			return false, nil
		}
	}
	return false, nil
}

// giveBack makes messages visible again, also when the browse was interrupted.
func (d *DeadLetters) giveBack(ctx context.Context, receipts map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, 0, len(receipts))
	for _, receipt := range receipts {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id:            aws.String(entryID(len(entries) % maxBatchEntries)),
			ReceiptHandle: &receipt,
		})
	}
	batches := make(chan []types.ChangeMessageVisibilityBatchRequestEntry)
	failures := make(chan error, giveBackFlights) // one of each flight is enough
	var flights sync.WaitGroup
	for range giveBackFlights {
		flights.Go(func() {
			var failure error
			for batch := range batches {
				if err := d.show(ctx, batch); err != nil {
					failure = err
				}
			}
			failures <- failure
		})
	}
	for batch := range slices.Chunk(entries, maxBatchEntries) {
		batches <- batch
	}
	close(batches)
	flights.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return fmt.Errorf("browse: some messages were not given back and stay hidden for up to %s: %w", browseInvisible, err)
		}
	}
	return nil
}

// show makes a batch visible. An entry that is the sender's fault is about a message
// that is gone, deleted by who visited it, or another receiver's.
func (d *DeadLetters) show(ctx context.Context, batch []types.ChangeMessageVisibilityBatchRequestEntry) error {
	_, err := untilDone(ctx, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		output, err := d.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &d.url, Entries: batch}, once)
		if err != nil {
			return struct{}{}, failureOf(err)
		}
		for _, failed := range output.Failed {
			if fault := failureOfEntry(failed); fault.passes() {
				return struct{}{}, fault
			}
		}
		return struct{}{}, nil
	})
	return err
}
