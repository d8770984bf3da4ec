package simulation

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

// operate lets an operator bring dead letters back: by AWS's own redrive, or by a
// replay; an eager one replays as soon as there is anything.
func (w *world) operate(ctx context.Context, as *process, name string) {
	random := w.dice.of(name)
	if w.plan.eager {
		for !w.calm.Load() {
			w.replay(ctx, as)
			time.Sleep(between(random, 200*time.Millisecond, 2*time.Second))
		}
		return
	}
	time.Sleep(between(random, w.plan.chaos/4, w.plan.chaos))
	if random.IntN(2) == 0 {
		w.replay(ctx, as)
		return
	}
	_, err := awssqs.NewFromConfig(w.aws(as)).StartMessageMoveTask(ctx, &awssqs.StartMessageMoveTaskInput{
		SourceArn: aws.String(queueARN(deadLetterName)),
	})
	w.timeline.notef(as.name, "redrives the dead letters: %v", err)
}

// replay sends all dead letters back to the queue: each is sent before it is deleted,
// so that trouble may repeat one but never lose it.
func (w *world) replay(ctx context.Context, as *process) {
	client := awssqs.NewFromConfig(w.aws(as))
	for range 100 {
		received, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl:              aws.String(deadLetterURL),
			MaxNumberOfMessages:   10,
			VisibilityTimeout:     60,
			MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			time.Sleep(time.Second + time.Duration(len(as.name))*time.Microsecond)
			continue
		}
		if len(received.Messages) == 0 {
			return
		}
		for _, message := range received.Messages {
			_, err := client.SendMessage(ctx, &awssqs.SendMessageInput{
				QueueUrl:          aws.String(queueURL),
				MessageBody:       message.Body,
				MessageAttributes: replayed(message.MessageAttributes),
			})
			if err != nil {
				continue
			}
			w.timeline.notef(as.name, "replays %s", *message.MessageAttributes[queue.AttributeInvoiceID].StringValue)
			_, _ = client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{
				QueueUrl: aws.String(deadLetterURL), ReceiptHandle: message.ReceiptHandle,
			})
		}
	}
}

// replayed are the attributes of a dead letter that goes back to the queue.
func replayed(letter map[string]types.MessageAttributeValue) map[string]types.MessageAttributeValue {
	attributes := maps.Clone(letter)
	for _, name := range []string{queue.AttributeReason, queue.AttributeDetail, queue.AttributeFailedAt} {
		delete(attributes, name)
	}
	count := 1
	if before, ok := letter[queue.AttributeReplayCount]; ok {
		count, _ = strconv.Atoi(aws.ToString(before.StringValue))
		count++
	}
	attributes[queue.AttributeReplayCount] = types.MessageAttributeValue{
		DataType: aws.String("String"), StringValue: aws.String(strconv.Itoa(count)),
	}
	return attributes
}
