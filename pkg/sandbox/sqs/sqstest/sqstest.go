// Package sqstest is a conformance suite for Amazon SQS with standard queues: checks
// against AWS's documentation, made through AWS's SDK. The fake passes all of them in
// virtual time, each in a testing/synctest bubble of its own; any other endpoint can be
// checked in real time. Known lists what other implementations do differently.
//
// The suite asks more than AWS promises: counts are exact, changed attributes hold at
// once, and a cancelled receive takes no message.
package sqstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// check is one rule. It uses queues of its own.
type check = conformance.Check[*bench]

// Suite has all checks.
var Suite = conformance.Suite[*bench, *sqs.Client]{
	Checks: slices.Concat(protocol, administration, bodies, identity, visibility, limits, batches, polling, deadLetters, groups, concurrency),
	Bench:  func(t *testing.T, client *sqs.Client) *bench { t.Helper(); return &bench{T: t, client: client} },
}

// bench is the environment of a check.
type bench struct {
	*testing.T
	client *sqs.Client
}

type (
	queueAttributes = map[string]string
	attributes      = map[string]types.MessageAttributeValue
)

// visibleAgain is the attribute of queues whose messages are visible again at once.
var visibleAgain = queueAttributes{"VisibilityTimeout": "0"}

// queue creates a queue that lives as long as the check.
func (b *bench) queue(attributes queueAttributes) (url string) {
	b.Helper()
	return b.named(conformance.Name(), attributes)
}

func (b *bench) named(name string, attributes queueAttributes) (url string) {
	b.Helper()
	created, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	b.must(err)
	ctx := context.WithoutCancel(b.Context())
	b.Cleanup(func() {
		_, _ = b.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: created.QueueUrl})
	})
	return *created.QueueUrl
}

// pair creates a queue that dead-letters after maxReceives, and its dead-letter queue.
func (b *bench) pair(maxReceives string, source, deadLetters queueAttributes) (sourceURL, deadLettersURL string) {
	b.Helper()
	deadLettersURL = b.queue(deadLetters)
	merged := redrive(b.arn(deadLettersURL), maxReceives)
	maps.Copy(merged, source)
	return b.queue(merged), deadLettersURL
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) send(url, body string) *sqs.SendMessageOutput {
	b.Helper()
	sent, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	b.must(err)
	return sent
}

func (b *bench) sendDelayed(url, body string, seconds int32) {
	b.Helper()
	_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, DelaySeconds: seconds})
	b.must(err)
}

func (b *bench) sendWith(url string, given attributes) *sqs.SendMessageOutput {
	b.Helper()
	sent, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: given})
	b.must(err)
	return sent
}

func (b *bench) trySend(input *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	return b.client.SendMessage(b.Context(), input)
}

// poll receives up to ten messages with all their attributes, waiting up to wait seconds.
func (b *bench) poll(url string, wait int32) []types.Message {
	b.Helper()
	return b.receive(url, sqs.ReceiveMessageInput{
		MaxNumberOfMessages:         10,
		WaitTimeSeconds:             wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
}

func (b *bench) receive(url string, input sqs.ReceiveMessageInput) []types.Message {
	b.Helper()
	input.QueueUrl = &url
	received, err := b.client.ReceiveMessage(b.Context(), &input)
	b.must(err)
	return received.Messages
}

// one receives the only message that there is.
func (b *bench) one(url string) types.Message {
	b.Helper()
	messages := b.poll(url, 1)
	if len(messages) != 1 {
		b.Fatalf("received %d messages, want 1", len(messages))
	}
	return messages[0]
}

// none requires that nothing can be received.
func (b *bench) none(url string) {
	b.Helper()
	if messages := b.poll(url, 0); len(messages) != 0 {
		b.Fatalf("received %d messages, want none", len(messages))
	}
}

func (b *bench) tryDelete(url string, handle *string) error {
	_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle})
	return err
}

func (b *bench) delete(url string, handle *string) {
	b.Helper()
	b.must(b.tryDelete(url, handle))
}

func (b *bench) changeVisibility(url string, handle *string, timeout int32) error {
	_, err := b.client.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: timeout,
	})
	return err
}

func (b *bench) attributes(url string, names ...types.QueueAttributeName) queueAttributes {
	b.Helper()
	if len(names) == 0 {
		names = []types.QueueAttributeName{types.QueueAttributeNameAll}
	}
	got, err := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	b.must(err)
	return got.Attributes
}

func (b *bench) set(url string, attributes queueAttributes) error {
	_, err := b.client.SetQueueAttributes(b.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
	return err
}

func (b *bench) arn(url string) string {
	b.Helper()
	return b.attributes(url, types.QueueAttributeNameQueueArn)["QueueArn"]
}

// counts requires numbers of visible, in-flight and delayed messages.
func (b *bench) counts(url string, visible, inFlight, delayed string) {
	b.Helper()
	got := b.attributes(url)
	equal(b, "visible", got["ApproximateNumberOfMessages"], visible)
	equal(b, "in flight", got["ApproximateNumberOfMessagesNotVisible"], inFlight)
	equal(b, "delayed", got["ApproximateNumberOfMessagesDelayed"], delayed)
}

func equal[T comparable](b *bench, what string, got, want T) {
	b.Helper()
	if got != want {
		b.Errorf("%s is %v, want %v", what, got, want)
	}
}

// fails requires an error of the SDK's type E.
func fails[E error](b *bench, err error) {
	b.Helper()
	if want, ok := errors.AsType[E](err); !ok {
		b.Errorf("error %v (%T), want a %T", err, err, want)
	}
}

// refused requires a 4xx answer. The documentation names no error for most parameters.
func (b *bench) refused(what string, err error) {
	b.Helper()
	var refusal smithy.APIError
	var answer *awshttp.ResponseError
	if !errors.As(err, &refusal) || !errors.As(err, &answer) || answer.HTTPStatusCode()/100 != 4 {
		b.Errorf("%s: error %v, want a refusal", what, err)
	}
}

func text(value string) types.MessageAttributeValue { return typed("String", value) }

func typed(dataType, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &dataType, StringValue: &value}
}

func binary(dataType string, value []byte) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &dataType, BinaryValue: value}
}

func redrive(targetARN, maxReceives string) queueAttributes {
	return queueAttributes{"RedrivePolicy": `{"deadLetterTargetArn":"` + targetARN + `","maxReceiveCount":` + maxReceives + `}`}
}
