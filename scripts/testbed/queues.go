package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	day          = 24 * time.Hour
	queueKeeping = 7 * day
	deadKeeping  = 14 * day
)

// MakeQueues makes the queue and its dead-letter queue, as far as they do not exist.
func (w *Env) CreateQueues(ctx context.Context) error {
	dead, err := w.createQueue(ctx, w.prefix+deadSuffix, map[string]string{"MessageRetentionPeriod": seconds(deadKeeping)})
	if err != nil {
		return err
	}
	w.DeadLetterURL = dead
	found, err := w.sqsClient.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl:       &dead,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("ask for the ARN of %s: %w", dead, err)
	}
	w.QueueURL, err = w.createQueue(ctx, w.prefix+queueSuffix, map[string]string{
		"MessageRetentionPeriod": seconds(queueKeeping),
		"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1000}`, found.Attributes["QueueArn"]),
	})
	return err
}

func (w *Env) createQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	found, err := w.sqsClient.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: &name})
	if err == nil {
		return *found.QueueUrl, nil
	}
	if _, missing := errors.AsType[*types.QueueDoesNotExist](err); !missing {
		return "", fmt.Errorf("ask for queue %s: %w", name, err)
	}
	created, err := w.sqsClient.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	return *created.QueueUrl, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// Queued counts what is in the queue and in the dead-letter queue, in flight or not.
func (w *Env) Queued(ctx context.Context) (queued, dead int, err error) {
	queued, err = w.count(ctx, w.QueueURL)
	if err != nil {
		return 0, 0, err
	}
	dead, err = w.count(ctx, w.DeadLetterURL)
	return queued, dead, err
}

func (w *Env) count(ctx context.Context, url string) (int, error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	found, err := w.sqsClient.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return 0, fmt.Errorf("count what is in %s: %w", url, err)
	}
	total := 0
	for _, name := range names {
		count, err := strconv.Atoi(found.Attributes[string(name)])
		if err != nil {
			return 0, fmt.Errorf("count what is in %s: %s: %w", url, name, err)
		}
		total += count
	}
	return total, nil
}

// MakeTables makes the tables with the consumer's own command, as far as they do not exist.
func (w *Env) CreateTables(ctx context.Context, consumer string) error {
	create := exec.CommandContext(ctx, consumer, "tables", "create")
	create.Env = append(w.AWSEnviron(), w.tablesEnviron()...)
	create.Stderr = os.Stderr
	if err := create.Run(); err != nil {
		return fmt.Errorf("%s tables create (is it built?): %w", consumer, err)
	}
	return nil
}

// Enqueue puts the body of a Chargebee event into the queue, as the receiver does.
func (w *Env) Enqueue(ctx context.Context, eventID string) error {
	body := string(w.Chargebee.Payload(eventID))
	if _, err := w.sqsClient.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &w.QueueURL, MessageBody: &body}); err != nil {
		return fmt.Errorf("send the webhook of event %s to the queue: %w", eventID, err)
	}
	return nil
}
