// Package contract is what a service has to do to pass for Amazon SQS with
// standard queues: checks against AWS's documentation, made through AWS's SDK.
//
// It is meant for services in one place. Of AWS itself it asks more than is promised:
// counts are exact, changed attributes hold at once, a poll that was given up takes
// nothing with it.
//
// The same checks run against the sandbox in virtual time, one bubble of
// testing/synctest for each, and against any other endpoint in real time.
package contract

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// check is one rule of the contract. It uses queues of its own.
type check = conformance.Check[*bench]

var suite = conformance.Suite[*bench, *sqs.Client]{
	Checks: slices.Concat(protocol, administration, bodies, identity, visibility, limits,
		batches, polling, deadLetters, moveTasks, groups, concurrency),
	Bench: func(t *testing.T, client *sqs.Client) *bench { t.Helper(); return &bench{T: t, client: client} },
}

// Outline is the outline of all checks.
func Outline() []conformance.Outline { return suite.Outline() }

// Target is an endpoint in real time.
type Target = conformance.Target[*sqs.Client]

// Run runs all checks against a target, each as a subtest.
func Run(t *testing.T, target Target) {
	t.Helper()
	suite.Against(t, target)
}

// InVirtualTime runs all checks against services in the same process, each as a
// subtest. The clients must not retry.
func InVirtualTime(t *testing.T, newClient func() *sqs.Client) {
	t.Helper()
	suite.InVirtualTime(t, newClient)
}

// bench is what a check works with.
type bench struct {
	*testing.T
	client *sqs.Client
}

// queue makes a queue that lives as long as the check.
func (b *bench) queue(attributes map[string]string) (url string) {
	b.Helper()
	return b.named(conformance.Name(), attributes)
}

func (b *bench) named(name string, attributes map[string]string) (url string) {
	b.Helper()
	created, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	b.must(err)
	ctx := context.WithoutCancel(b.Context())
	b.Cleanup(func() {
		_, _ = b.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: created.QueueUrl})
	})
	return *created.QueueUrl
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) send(url, body string) *sqs.SendMessageOutput {
	b.Helper()
	return b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
}

func (b *bench) sendInput(input *sqs.SendMessageInput) *sqs.SendMessageOutput {
	b.Helper()
	sent, err := b.client.SendMessage(b.Context(), input)
	b.must(err)
	return sent
}

// poll receives up to ten messages with all their attributes, waiting for up
// to wait seconds.
func (b *bench) poll(url string, wait int32) []types.Message {
	b.Helper()
	return b.receiveInput(&sqs.ReceiveMessageInput{
		QueueUrl:                    &url,
		MaxNumberOfMessages:         10,
		WaitTimeSeconds:             wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
}

func (b *bench) receiveInput(input *sqs.ReceiveMessageInput) []types.Message {
	b.Helper()
	received, err := b.client.ReceiveMessage(b.Context(), input)
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

// none wants nothing to be receivable.
func (b *bench) none(url string) {
	b.Helper()
	if messages := b.poll(url, 0); len(messages) != 0 {
		b.Fatalf("received %d messages, want none", len(messages))
	}
}

func (b *bench) delete(url string, handle *string) {
	b.Helper()
	_, err := b.client.DeleteMessage(b.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle})
	b.must(err)
}

func (b *bench) changeVisibility(url string, handle *string, timeout int32) error {
	b.Helper()
	_, err := b.client.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: timeout,
	})
	return err
}

func (b *bench) attributes(url string, names ...types.QueueAttributeName) map[string]string {
	b.Helper()
	if len(names) == 0 {
		names = []types.QueueAttributeName{types.QueueAttributeNameAll}
	}
	got, err := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	b.must(err)
	return got.Attributes
}

func (b *bench) setAttributes(url string, attributes map[string]string) error {
	b.Helper()
	_, err := b.client.SetQueueAttributes(b.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
	return err
}

func (b *bench) arn(url string) string {
	b.Helper()
	return b.attributes(url, types.QueueAttributeNameQueueArn)["QueueArn"]
}

// counts wants so many messages visible, in flight and delayed.
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

// fails wants an error of the SDK's type E.
func fails[E error](b *bench, err error) {
	b.Helper()
	if want, ok := errors.AsType[E](err); !ok {
		b.Errorf("the error is %v (%T), want a %T", err, err, want)
	}
}

// refused wants the service to blame the caller. Which error that is the
// documentation does not say for most parameters.
func (b *bench) refused(err error) {
	b.Helper()
	var refusal smithy.APIError
	var answer *awshttp.ResponseError
	if !errors.As(err, &refusal) || !errors.As(err, &answer) || answer.HTTPStatusCode()/100 != 4 {
		b.Errorf("the error is %v, want a refusal", err)
	}
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

func redrive(targetARN, maxReceives string) map[string]string {
	return map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + targetARN + `","maxReceiveCount":` + maxReceives + `}`}
}
