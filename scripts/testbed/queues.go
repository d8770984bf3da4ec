package testbed

import (
	"context"
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

// MakeQueues makes the queue and its dead-letter queue.
func (w *World) MakeQueues(ctx context.Context) error {
	dead, err := w.makeQueue(ctx, DeadName, map[string]string{"MessageRetentionPeriod": seconds(deadKeeping)})
	if err != nil {
		return err
	}
	w.DeadURL = dead
	found, err := w.sqsClient.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl:       &dead,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("ask for the ARN of %s: %w", DeadName, err)
	}
	w.QueueURL, err = w.makeQueue(ctx, QueueName, map[string]string{
		"MessageRetentionPeriod": seconds(queueKeeping),
		"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1000}`, found.Attributes["QueueArn"]),
	})
	return err
}

func (w *World) makeQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	created, err := w.sqsClient.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	return *created.QueueUrl, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// MakeTables makes the tables with the consumer's own command.
func (w *World) MakeTables(ctx context.Context, consumer string) error {
	create := exec.CommandContext(ctx, consumer, "tables", "create")
	create.Env = w.AWSEnvironment()
	create.Stderr = os.Stderr
	if err := create.Run(); err != nil {
		return fmt.Errorf("%s tables create (is it built?): %w", consumer, err)
	}
	return nil
}

// Enqueue puts the body of a Chargebee event into the queue, as the receiver does.
func (w *World) Enqueue(ctx context.Context, eventID string) error {
	body := string(w.Chargebee.Payload(eventID))
	if _, err := w.sqsClient.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &w.QueueURL, MessageBody: &body}); err != nil {
		return fmt.Errorf("send the webhook of event %s to the queue: %w", eventID, err)
	}
	return nil
}
