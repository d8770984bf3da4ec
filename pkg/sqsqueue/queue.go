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
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/queue"
)

const (
	// PollWait is how long Receive waits for a first message. It is short of the 20 s
	// that SQS allows, because a poll under way is awaited at shutdown: SQS may hide
	// the messages of a canceled one.
	PollWait = 5 * time.Second

	answerTime    = 5 * time.Second // for an answer, on top of the time that is waited on purpose
	maxInvisible  = 12 * time.Hour
	deleteFlights = 4 // batches under way at once: 40 messages, far more than Chargebee lets a pod finish meanwhile
)

// QueueAPI is what Queue needs of the SDK's client.
type QueueAPI interface {
	ReceiveMessage(ctx context.Context, input *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	ChangeMessageVisibility(ctx context.Context, input *sqs.ChangeMessageVisibilityInput, options ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	DeleteMessageBatch(ctx context.Context, input *sqs.DeleteMessageBatchInput, options ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
}

// Queue gives out the messages of a queue and is told what shall become of them. It
// is safe for concurrent use.
type Queue struct {
	client    QueueAPI
	url       string
	invisible time.Duration
	deletes   groupCommit[types.DeleteMessageBatchRequestEntry, struct{}]
}

// NewQueue returns the queue with the given URL, whose messages stay invisible for a
// time once they are received; it is rounded up to whole seconds.
func NewQueue(client QueueAPI, url string, invisible time.Duration) *Queue {
	q := &Queue{client: client, url: url, invisible: invisible}
	q.deletes = groupCommit[types.DeleteMessageBatchRequestEntry, struct{}]{
		commit:     batchCall[types.DeleteMessageBatchRequestEntry, struct{}](q.delete).commit,
		size:       func(types.DeleteMessageBatchRequestEntry) int { return 0 },
		maxEntries: maxBatchEntries,
		maxBytes:   maxBatchBytes,
		maxFlights: deleteFlights,
	}
	return q
}

// Receive waits up to PollWait for messages and returns up to 10, or most if that is
// less. None is no error. A call that fails is not repeated here.
func (q *Queue) Receive(ctx context.Context, most int) ([]queue.Message, error) {
	return receive(ctx, q.client, &sqs.ReceiveMessageInput{
		QueueUrl:            &q.url,
		MaxNumberOfMessages: int32(min(most, maxBatchEntries)),
		WaitTimeSeconds:     seconds(PollWait),
		VisibilityTimeout:   seconds(q.invisible),
	})
}

// ChangeVisibility keeps a received message invisible for a time from now; 0 makes it visible.
// The time is rounded up to whole seconds. Errors: queue.ErrReceiptExpired when the
// message is no longer the receiver's, or gone.
func (q *Queue) ChangeVisibility(ctx context.Context, message queue.Message, invisible time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          &q.url,
		ReceiptHandle:     &message.Receipt,
		VisibilityTimeout: seconds(invisible),
	})
	switch {
	case err == nil:
		return nil
	case receiptExpired(err):
		return fmt.Errorf("change visibility of message %s: %w: %w", message.ID, queue.ErrReceiptExpired, err)
	default:
		return fmt.Errorf("change visibility of message %s: %w", message.ID, failureOf(err))
	}
}

// Delete removes a message. What fails for a passing reason is repeated until ctx
// ends. SQS may succeed with an expired receipt without deleting anything. Errors:
// queue.ErrReceiptExpired, ErrRefused, ErrUnavailable.
func (q *Queue) Delete(ctx context.Context, message queue.Message) error {
	entry := types.DeleteMessageBatchRequestEntry{ReceiptHandle: &message.Receipt}
	_, err := untilDone(ctx, func(ctx context.Context) (struct{}, error) { return q.deletes.do(ctx, entry) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		// There is nothing else in an entry that could be refused.
		return fmt.Errorf("delete message %s: %w: %w", message.ID, queue.ErrReceiptExpired, err)
	default:
		return fmt.Errorf("delete message %s: %w", message.ID, err)
	}
}

// delete deletes a batch of messages.
func (q *Queue) delete(ctx context.Context, batch []types.DeleteMessageBatchRequestEntry) (batchAnswer[struct{}], error) {
	for i := range batch {
		batch[i].Id = aws.String(entryID(i))
	}
	output, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: batch}, once)
	if err != nil {
		return batchAnswer[struct{}]{}, err
	}
	answer := batchAnswer[struct{}]{successful: make(map[string]struct{}, len(batch)), failed: output.Failed}
	for _, entry := range output.Successful {
		answer.successful[aws.ToString(entry.Id)] = struct{}{}
	}
	return answer, nil
}

// receiptExpired tells whether a receipt no longer names a message in flight. The
// SDK has no type for what SQS says of a message that is deleted.
func receiptExpired(err error) bool {
	if as[*types.MessageNotInflight](err) || as[*types.ReceiptHandleIsInvalid](err) {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "InvalidParameterValue" || api.ErrorCode() == "InvalidParameterValueException")
}

// receiveAPI is what receive needs of the SDK's client.
type receiveAPI interface {
	ReceiveMessage(ctx context.Context, input *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
}

// receive makes one receive of all that a message has.
func receive(ctx context.Context, client receiveAPI, input *sqs.ReceiveMessageInput) ([]queue.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(input.WaitTimeSeconds)*time.Second+answerTime)
	defer cancel()
	input.MessageAttributeNames = []string{"All"}
	input.MessageSystemAttributeNames = []types.MessageSystemAttributeName{
		types.MessageSystemAttributeNameSentTimestamp,
		types.MessageSystemAttributeNameApproximateReceiveCount,
		types.MessageSystemAttributeNameMessageGroupId,
	}
	output, err := client.ReceiveMessage(ctx, input, once)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", failureOf(err))
	}
	messages := make([]queue.Message, len(output.Messages))
	for i, received := range output.Messages {
		messages[i] = messageOf(received)
	}
	return messages, nil
}

// messageOf reads a message.
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
			message.OtherAttributes = with(message.OtherAttributes, name, attributeOf(kind, attribute))
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

// seconds are the whole seconds that hold a time, within what SQS accepts.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxInvisible)
	return int32((d + time.Second - 1) / time.Second)
}
