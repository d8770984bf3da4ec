package contract

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

var groups = []check{
	{Name: "groups/a group on a standard queue", Run: func(b *bench) {
		url := b.queue(nil)
		group := "cus_1!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &group})
		equal(b, "group", b.one(url).Attributes["MessageGroupId"], group)
	}},
	{Name: "groups/they stay with dead letters", Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "0"})
		batch := entries(1, 1)
		batch[0].MessageGroupId = aws.String("cus_1")
		_, err := b.sendBatch(source, batch)
		b.must(err)
		equal(b, "group", b.one(source).Attributes["MessageGroupId"], "cus_1")
		b.none(source)
		equal(b, "group of the dead letter", b.one(deadLetters).Attributes["MessageGroupId"], "cus_1")
	}},
	{Name: "groups/none", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		if group, ok := b.one(url).Attributes["MessageGroupId"]; ok {
			b.Errorf("the group is %q", group)
		}
	}},
	{Name: "groups/limits", Run: func(b *bench) {
		url := b.queue(nil)
		for _, group := range []string{"with space", "ümlaut", strings.Repeat("g", 129)} {
			b.refusesSend("a group", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &group})
		}
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String(strings.Repeat("g", 128))})
	}},
	{Name: "groups/they do not lock each other", Run: func(b *bench) {
		url := b.queue(nil)
		for range 2 {
			b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
		}
		first := b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
		second := b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
		equal(b, "received", len(first)+len(second), 2)
	}},
}
