package sqsqueue

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Probe is what a call that changes nothing said of a permission.
type Probe struct {
	Action   string // as policies call it, e.g. sqs:SendMessage
	Denied   bool
	Unproven bool  // it was not denied, and may have been refused before anybody looked
	Err      error // why nothing is known
}

// ProbeAPI is what Probes needs of the SDK's client.
type ProbeAPI interface {
	SendAPI
	ReceiveMessage(ctx context.Context, input *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(ctx context.Context, input *sqs.DeleteMessageBatchInput, options ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(ctx context.Context, input *sqs.ChangeMessageVisibilityBatchInput, options ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Denied tells whether an error says that the caller may not do what it asked for.
// Credentials that are wrong or too old are another matter.
func Denied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "NotAuthorized")
}

// noReceipt names no message.
const noReceipt = "consumer-check"

// noMessage is refused as an entry, for U+FFFE. Should a service take it all the same, a
// consumer acknowledges it: it is an event of another type.
const noMessage = "{\"event_type\":\"consumer_check\",\"note\":\"\uFFFE\"}"

// Probes asks what the caller may do with the queue, by calls that have no effect.
//
// Batches are authorized as a whole, and then SQS fails their entries one by one: a
// receipt that names no message, a body with a character that SQS does not take. Only a
// receive has no entries. One that works would hide messages and use up one of their
// receives, so this one has values that SQS refuses; whether it looks at permissions
// before or after that is not documented.
func Probes(ctx context.Context, client ProbeAPI, url string) []Probe {
	probe := func(action string, call func(context.Context) error) Probe {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		err := call(ctx)
		if Denied(err) {
			return Probe{Action: action, Denied: true}
		}
		if err != nil {
			err = failureOf(err)
		}
		return Probe{Action: action, Err: err}
	}
	receive := probe("sqs:ReceiveMessage", func(ctx context.Context) error {
		_, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: maxBatchEntries + 1, VisibilityTimeout: -1, WaitTimeSeconds: -1,
		}, once)
		return err
	})
	if errors.Is(receive.Err, ErrRefused) {
		receive.Unproven, receive.Err = true, nil
	}
	return []Probe{
		receive,
		probe("sqs:DeleteMessage", func(ctx context.Context) error {
			_, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String(entryID(0)), ReceiptHandle: aws.String(noReceipt)},
			}})
			return err
		}),
		probe("sqs:ChangeMessageVisibility", func(ctx context.Context) error {
			_, err := client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String(entryID(0)), ReceiptHandle: aws.String(noReceipt), VisibilityTimeout: 1},
			}})
			return err
		}),
		probe("sqs:SendMessage", func(ctx context.Context) error {
			_, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String(entryID(0)), MessageBody: aws.String(noMessage)},
			}})
			return err
		}),
	}
}
