package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

const (
	// PollWait is the time for which Receive waits for a message. It is below the 20 s that SQS allows,
	// because shutdown waits for the running Receive: canceled, it could hide messages.
	PollWait = 5 * time.Second

	maxVisibilityTimeout = 12 * time.Hour
	// deleteConcurrency is the maximum number of delete batches in flight. At Chargebee's rate limits, a
	// process finishes far fewer messages than 4 batches have, 40, during one call of SQS.
	deleteConcurrency = 4
)

// Queue receives, extends and deletes the messages of a queue. It is safe for concurrent use.
type Queue struct {
	client            Client
	url               string
	visibilityTimeout time.Duration
	deletes           batcher[types.DeleteMessageBatchRequestEntry, struct{}]
}

// NewQueue returns the queue at the URL. A received message stays invisible for the
// visibility timeout, rounded up to whole seconds.
func NewQueue(client Client, url string, visibilityTimeout time.Duration) *Queue {
	q := &Queue{client: client, url: url, visibilityTimeout: visibilityTimeout}
	q.deletes = batcher[types.DeleteMessageBatchRequestEntry, struct{}]{
		run:           batchCall[types.DeleteMessageBatchRequestEntry, struct{}](q.deleteBatch).run,
		size:          func(types.DeleteMessageBatchRequestEntry) int { return 0 },
		maxEntries:    maxBatchEntries,
		maxBytes:      maxBatchBytes,
		maxConcurrent: deleteConcurrency,
	}
	return q
}

// Receive waits up to PollWait for messages and returns at most maxMessages, and at most 10. It does not
// retry. Errors: ErrRefused, ErrUnavailable.
func (q *Queue) Receive(ctx context.Context, maxMessages int) ([]queue.Message, error) {
	return receive(ctx, q.client, &sqs.ReceiveMessageInput{
		QueueUrl:            &q.url,
		MaxNumberOfMessages: int32(min(maxMessages, maxBatchEntries)),
		WaitTimeSeconds:     seconds(PollWait),
		VisibilityTimeout:   seconds(q.visibilityTimeout),
	})
}

// ChangeVisibility hides a received message for a time from now, rounded up to whole seconds;
// 0 makes it visible. Errors: queue.ErrReceiptExpired (the message was deleted or is visible, or another
// consumer may have received it), ErrRefused, ErrUnavailable.
func (q *Queue) ChangeVisibility(ctx context.Context, message queue.Message, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          &q.url,
		ReceiptHandle:     &message.Receipt,
		VisibilityTimeout: seconds(timeout),
	})
	switch {
	case err == nil:
		return nil
	case isReceiptExpired(err):
		return fmt.Errorf("change visibility of message %s: %w: %w", message.ID, queue.ErrReceiptExpired, err)
	default:
		return fmt.Errorf("change visibility of message %s: %w", message.ID, failureOf(err))
	}
}

// Delete deletes a message. It repeats the call after retryable failures until ctx ends. With an expired
// receipt SQS may report success and delete nothing. Errors: queue.ErrReceiptExpired, ErrUnavailable.
func (q *Queue) Delete(ctx context.Context, message queue.Message) error {
	entry := types.DeleteMessageBatchRequestEntry{ReceiptHandle: &message.Receipt}
	_, err := untilDone(ctx, func(ctx context.Context) (struct{}, error) { return q.deletes.do(ctx, entry) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		// SQS can refuse only the receipt: an entry has no other field of the caller.
		return fmt.Errorf("delete message %s: %w: %w", message.ID, queue.ErrReceiptExpired, err)
	default:
		return fmt.Errorf("delete message %s: %w", message.ID, err)
	}
}

func (q *Queue) deleteBatch(ctx context.Context, batch []types.DeleteMessageBatchRequestEntry) (batchResponse[struct{}], error) {
	for i := range batch {
		batch[i].Id = aws.String(entryID(i))
	}
	output, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: batch}, withoutRetries)
	if err != nil {
		return batchResponse[struct{}]{}, err
	}
	response := batchResponse[struct{}]{successful: make(map[string]struct{}, len(batch)), failed: output.Failed}
	for _, entry := range output.Successful {
		response.successful[aws.ToString(entry.Id)] = struct{}{}
	}
	return response, nil
}

// isReceiptExpired reports whether the receipt handle of a call is no longer valid.
func isReceiptExpired(err error) bool {
	if as[*types.MessageNotInflight](err) || as[*types.ReceiptHandleIsInvalid](err) {
		return true
	}
	// The codes for a deleted message, for which the SDK has no type.
	return codeOf(err) == "InvalidParameterValue" || codeOf(err) == "InvalidParameterValueException"
}

// receive makes one receive call for messages with all their attributes.
func receive(ctx context.Context, client Client, input *sqs.ReceiveMessageInput) ([]queue.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(input.WaitTimeSeconds)*time.Second+callTimeout)
	defer cancel()
	input.MessageAttributeNames = []string{"All"}
	input.MessageSystemAttributeNames = []types.MessageSystemAttributeName{
		types.MessageSystemAttributeNameSentTimestamp,
		types.MessageSystemAttributeNameApproximateReceiveCount,
		types.MessageSystemAttributeNameMessageGroupId,
	}
	output, err := client.ReceiveMessage(ctx, input, withoutRetries)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", failureOf(err))
	}
	messages := make([]queue.Message, len(output.Messages))
	for i, received := range output.Messages {
		messages[i] = messageOf(received)
	}
	return messages, nil
}

func messageOf(received types.Message) queue.Message {
	message := queue.Message{
		ID:         aws.ToString(received.MessageId),
		Body:       []byte(aws.ToString(received.Body)),
		Attributes: make(map[string]string, len(received.MessageAttributes)),
		GroupID:    received.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		Receipt:    aws.ToString(received.ReceiptHandle),
	}
	for name, attribute := range received.MessageAttributes {
		if kind := aws.ToString(attribute.DataType); kind == stringType {
			message.Attributes[name] = aws.ToString(attribute.StringValue)
		} else {
			message.OtherAttributes = setAttribute(message.OtherAttributes, name, attributeOf(kind, attribute))
		}
	}
	if milliseconds, err := strconv.ParseInt(received.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		message.SentAt = time.UnixMilli(milliseconds).UTC()
	}
	if count, err := strconv.Atoi(received.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		message.ReceiveCount = count
	}
	return message
}

// seconds rounds a duration up to whole seconds, between 0 and maxVisibilityTimeout.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxVisibilityTimeout)
	return int32((d + time.Second - 1) / time.Second)
}
