package sqsqueue

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

// MaxFlights is how many batches of one queue are under way at once. With batches of
// 10 and 20 ms for each, as AWS reckons, 16 carry 8,000 messages a second: about what
// one core of a receiver can take in. More would only make batches smaller and open
// connections that idle.
const MaxFlights = 16

// stallLimit is far above what a batch can take, also one that is repeated entry by
// entry.
const stallLimit = 60 * time.Second

// SendAPI is what Sender needs of the SDK's client.
type SendAPI interface {
	SendMessageBatch(ctx context.Context, input *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// SendObserver is told how sending goes. Implementations must not block.
type SendObserver interface {
	// Sent reports one call: how many entries it had, and how long the answer took.
	Sent(entries int, took time.Duration)
	// Failed reports entries that an attempt could not put into the queue, by class.
	// Those for a passing reason are tried again while there is time.
	Failed(class string, entries int)
	// Waited reports how long an entry waited for others' batches before its own left.
	Waited(took time.Duration)
}

// Sender puts messages into a queue. It is safe for concurrent use.
type Sender struct {
	client   SendAPI
	url      string
	observer SendObserver
	group    groupCommit[types.SendMessageBatchRequestEntry, string]
}

// NewSender returns a sender to the queue with the given URL. The observer may be nil.
func NewSender(client SendAPI, url string, observer SendObserver) *Sender {
	s := &Sender{client: client, url: url, observer: observer}
	s.group = groupCommit[types.SendMessageBatchRequestEntry, string]{
		commit:     s.commit,
		size:       entrySize,
		maxEntries: maxBatchEntries,
		maxBytes:   maxBatchBytes,
		maxFlights: MaxFlights,
	}
	if observer != nil {
		s.group.waited = observer.Waited
	}
	return s
}

// Send puts body, attributes and group of the message into the queue and returns the
// id that SQS gave it. It returns nil only if SQS has taken this very message. What
// fails for a passing reason is repeated until ctx ends; a context without a deadline
// may wait for ever. The message is not kept: it may be changed when Send returns.
//
// Errors: ErrRefused, ErrUnavailable (then it may be in the queue all the same) and
// ErrClosed.
func (s *Sender) Send(ctx context.Context, message queue.Message) (id string, err error) {
	entry := entryOf(message)
	return untilDone(ctx, func(ctx context.Context) (string, error) { return s.group.do(ctx, entry) })
}

// Close takes no further messages and waits until those under way have their outcome.
func (s *Sender) Close(ctx context.Context) error { return s.group.close(ctx) }

// Alive returns an error when sends are under way and none makes progress.
func (s *Sender) Alive() error { return s.group.stalled(stallLimit) }

// commit sends one batch and tells the observer what failed.
func (s *Sender) commit(batch []types.SendMessageBatchRequestEntry) []outcome[string] {
	outcomes := batchCall[types.SendMessageBatchRequestEntry, string](s.send).commit(batch)
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

func (s *Sender) send(ctx context.Context, batch []types.SendMessageBatchRequestEntry) (batchAnswer[string], error) {
	for i := range batch {
		batch[i].Id = aws.String(entryID(i))
	}
	started := time.Now()
	output, err := s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &s.url, Entries: batch}, once, signedOnly, ownBodies)
	if s.observer != nil {
		s.observer.Sent(len(batch), time.Since(started))
	}
	if err != nil {
		return batchAnswer[string]{}, err
	}
	answer := batchAnswer[string]{successful: make(map[string]string, len(batch)), failed: output.Failed}
	for _, entry := range output.Successful {
		answer.successful[aws.ToString(entry.Id)] = aws.ToString(entry.MessageId)
	}
	return answer, nil
}

// signedOnly spares the MD5 of every body, 7 % of a receiver's CPU: the signature of the
// request is over its SHA-256, which SQS has checked before it answers.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func signedOnly(options *sqs.Options) { options.DisableMessageChecksumValidation = true }

// entryOf copies what is sent of a message.
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
		if value != "" { // SQS knows no empty ones
			entry.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(stringType), StringValue: &value}
		}
	}
	return entry
}

// entrySize is what SQS counts of an entry, or a little more: whether the group counts
// is not documented.
func entrySize(entry types.SendMessageBatchRequestEntry) int {
	size := len(*entry.MessageBody) + len(aws.ToString(entry.MessageGroupId))
	for name, attribute := range entry.MessageAttributes {
		size += len(name) + len(*attribute.DataType) + len(aws.ToString(attribute.StringValue)) + len(attribute.BinaryValue)
	}
	return size
}
