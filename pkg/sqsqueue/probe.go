package sqsqueue

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/finding"
)

// Denied reports whether an error means that the caller lacks a permission of SQS. Errors of KMS, and of
// invalid or expired credentials, do not count.
func Denied(err error) bool {
	switch codeOf(err) {
	case "AccessDenied", "AccessDeniedException", "NotAuthorized":
		return true
	}
	return false
}

// invalidReceipt is a receipt handle that SQS has never issued.
const invalidReceipt = "consumer-check"

// invalidBody is a body that SQS refuses because of U+FFFE. If an emulator of SQS accepts it, a consumer
// deletes the message, because its event type is not billed.
const invalidBody = "{\"event_type\":\"consumer_check\",\"note\":\"\uFFFE\"}"

// Probes tests the caller's permissions on the queue by calls that have no effect on SQS.
//
// SQS authorizes a batch call before it checks the entries. So the batches of Probes have one entry that
// SQS refuses: with invalidReceipt or invalidBody. A receive has no entries, and a successful one would hide
// messages. So the receive of Probes has invalid parameters. If SQS refuses these, the permission is
// Unproven: whether SQS checks permissions before parameters is not documented.
func Probes(ctx context.Context, client Client, url string) []finding.Probe {
	probe := func(action string, call func(context.Context) error) finding.Probe {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		err := call(ctx)
		if Denied(err) {
			return finding.Probe{Action: action, Denied: true}
		}
		if err != nil {
			err = failureOf(err)
		}
		return finding.Probe{Action: action, Err: err}
	}
	receive := probe("sqs:ReceiveMessage", func(ctx context.Context) error {
		_, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: maxBatchEntries + 1, VisibilityTimeout: -1, WaitTimeSeconds: -1,
		})
		return err
	})
	if errors.Is(receive.Err, ErrRefused) {
		receive.Unproven, receive.Err = true, nil
	}
	return []finding.Probe{
		receive,
		probe("sqs:DeleteMessage", func(ctx context.Context) error {
			_, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String(entryID(0)), ReceiptHandle: aws.String(invalidReceipt)},
			}})
			return err
		}),
		probe("sqs:ChangeMessageVisibility", func(ctx context.Context) error {
			_, err := client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String(entryID(0)), ReceiptHandle: aws.String(invalidReceipt), VisibilityTimeout: 1},
			}})
			return err
		}),
		probe("sqs:SendMessage", func(ctx context.Context) error {
			_, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String(entryID(0)), MessageBody: aws.String(invalidBody)},
			}})
			return err
		}),
	}
}
