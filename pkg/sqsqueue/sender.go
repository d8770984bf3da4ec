package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

// MaxConcurrentBatches is the maximum number of batches in flight of one Sender. 16 batches of 10 messages,
// each in 20 ms, are 8,000 messages a second, more than one receiver accepts.
const MaxConcurrentBatches = 16

// stallTimeout is above the maximum duration of a batch: 11 × attemptTimeout, if it is sent entry by entry.
const stallTimeout = 60 * time.Second

// SendObserver records metrics of sends. Its methods must not block.
type SendObserver interface {
	// Sent reports one SendMessageBatch call, also a failed one.
	Sent(entries int, took time.Duration)
	// Failed reports the number of entries of a batch that failed with an error class. An entry that is
	// sent again and fails again is reported again.
	Failed(class string, entries int)
	// Waited reports the time that an entry waited for its batch, once per attempt.
	Waited(took time.Duration)
}

// Sender sends messages to a queue. It is safe for concurrent use.
type Sender struct {
	client   Client
	url      string
	observer SendObserver
	batches  batcher[types.SendMessageBatchRequestEntry, string]
}

// NewSender returns a sender to the queue at the URL. The observer may be nil.
func NewSender(client Client, url string, observer SendObserver) *Sender {
	s := &Sender{client: client, url: url, observer: observer}
	s.batches = batcher[types.SendMessageBatchRequestEntry, string]{
		run:           s.run,
		size:          entrySize,
		maxEntries:    maxBatchEntries,
		maxBytes:      maxBatchBytes,
		maxConcurrent: MaxConcurrentBatches,
	}
	if observer != nil {
		s.batches.onStart = observer.Waited
	}
	return s
}

// Send sends body, attributes and group of the message, and returns the id that SQS assigned. The error is
// nil only if SQS has stored the message. Send repeats the call after retryable failures until ctx ends. It
// does not keep the message.
//
// Errors: ErrRefused, ErrUnavailable (the message may be in the queue), ErrClosed.
func (s *Sender) Send(ctx context.Context, message queue.Message) (id string, err error) {
	entry := entryOf(message)
	return untilDone(ctx, func(ctx context.Context) (string, error) { return s.batches.do(ctx, entry) })
}

// Redrive sends a dead letter as a message, without its reason, detail and failed_at, and with replay_count
// increased by one. The queue of the Sender is the one that the dead letter came from. Errors: those of Send.
func (s *Sender) Redrive(ctx context.Context, deadLetter queue.Message) error {
	message := cloneWithout(deadLetter, queue.AttributeReason, queue.AttributeDetail, queue.AttributeFailedAt)
	message.Attributes[queue.AttributeReplayCount] = strconv.Itoa(deadLetter.ReplayCount() + 1)
	fit(&message, maxAttributes)
	if _, err := s.Send(ctx, message); err != nil {
		return fmt.Errorf("replay message %s: %w", deadLetter.ID, err)
	}
	return nil
}

// Close refuses further messages and waits until all others have an outcome, or ctx ends.
func (s *Sender) Close(ctx context.Context) error { return s.batches.close(ctx) }

// Alive returns an error if batches are in flight and none has started or finished for stallTimeout.
func (s *Sender) Alive() error { return s.batches.stalled(stallTimeout) }

// run sends one batch and reports its failures to the observer.
func (s *Sender) run(batch []types.SendMessageBatchRequestEntry) []outcome[string] {
	outcomes := batchCall[types.SendMessageBatchRequestEntry, string](s.sendBatch).run(batch)
	if s.observer == nil {
		return outcomes
	}
	failed := map[string]int{}
	for _, outcome := range outcomes {
		if outcome.err != nil {
			failed[failureOf(outcome.err).class]++
		}
	}
	for class, entries := range failed {
		s.observer.Failed(class, entries)
	}
	return outcomes
}

func (s *Sender) sendBatch(ctx context.Context, batch []types.SendMessageBatchRequestEntry) (batchResponse[string], error) {
	for i := range batch {
		batch[i].Id = aws.String(entryID(i))
	}
	started := time.Now()
	output, err := s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &s.url, Entries: batch}, withoutRetries, withoutMD5, withBatchEncoder)
	if s.observer != nil {
		s.observer.Sent(len(batch), time.Since(started))
	}
	if err != nil {
		return batchResponse[string]{}, err
	}
	response := batchResponse[string]{successful: make(map[string]string, len(batch)), failed: output.Failed}
	for _, entry := range output.Successful {
		response.successful[aws.ToString(entry.Id)] = aws.ToString(entry.MessageId)
	}
	return response, nil
}

// withoutMD5 disables the MD5 verification of message bodies, 7 % of a receiver's CPU. The
// request signature covers the SHA-256 of the request, which SQS verifies.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func withoutMD5(options *sqs.Options) { options.DisableMessageChecksumValidation = true }

// entryOf returns a batch entry with copies of the message's fields.
func entryOf(message queue.Message) types.SendMessageBatchRequestEntry {
	entry := types.SendMessageBatchRequestEntry{MessageBody: aws.String(string(message.Body))}
	if message.GroupID != "" {
		entry.MessageGroupId = aws.String(groupID(message.GroupID))
	}
	if count := len(message.Attributes) + len(message.OtherAttributes); count > 0 {
		entry.MessageAttributes = make(map[string]types.MessageAttributeValue, count)
	}
	for name, attribute := range message.OtherAttributes {
		entry.MessageAttributes[name] = valueOf(attribute)
	}
	for name, value := range message.Attributes {
		if value != "" { // SQS refuses empty values
			entry.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: &value}
		}
	}
	return entry
}

// entrySize returns the size of an entry as SQS counts it. It includes the group id, although SQS may not
// count that.
func entrySize(entry types.SendMessageBatchRequestEntry) int {
	size := len(*entry.MessageBody) + len(aws.ToString(entry.MessageGroupId))
	for name, attribute := range entry.MessageAttributes {
		size += len(name) + len(*attribute.DataType) + len(aws.ToString(attribute.StringValue)) + len(attribute.BinaryValue)
	}
	return size
}
