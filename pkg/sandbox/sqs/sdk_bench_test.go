package sqs_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// BenchmarkSDK measures calls through AWS's client, with a deadline as the programs
// set it.
func BenchmarkSDK(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	client := client(sqs.New(sqs.Config{}))
	created, err := client.CreateQueue(ctx, &awssqs.CreateQueueInput{
		QueueName: aws.String("events"), Attributes: map[string]string{"VisibilityTimeout": "0"},
	})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 1000)
	entries := make([]types.SendMessageBatchRequestEntry, 10)
	for i := range entries {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body}
	}
	batch := func() error {
		_, err := client.SendMessageBatch(ctx, &awssqs.SendMessageBatchInput{QueueUrl: created.QueueUrl, Entries: entries})
		return err
	}
	receive := func() error {
		_, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: created.QueueUrl, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		return err
	}
	b.Run("SendMessageBatch", func(b *testing.B) { loop(b, batch) })
	b.Run("ReceiveMessage", func(b *testing.B) { loop(b, receive) })
}

func loop(b *testing.B, call func() error) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}
