package contract

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var protocol = []check{
	{Name: "protocol/body digest", Run: func(b *bench) {
		url := b.queue(nil)
		sum := md5.Sum([]byte("grüße 🧾"))
		want := hex.EncodeToString(sum[:])
		equal(b, "digest on send", *b.send(url, "grüße 🧾").MD5OfMessageBody, want)
		equal(b, "digest on receive", *b.one(url).MD5OfBody, want)
	}},
	{Name: "protocol/attribute digest", Run: func(b *bench) {
		// Known answers for the documented encoding.
		for dataType, want := range map[string]string{
			"Number":                "235c5c510d26fb653d073faed50ae77c",
			"Number.java.lang.Long": "2e2e4876d8e0bd6b8c2c8f556831c349",
		} {
			url := b.queue(nil)
			sent := b.sendInput(&sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{
					"timestamp": {DataType: &dataType, StringValue: aws.String("1493147359900")},
				},
			})
			equal(b, "digest on send", aws.ToString(sent.MD5OfMessageAttributes), want)
			equal(b, "digest on receive", aws.ToString(b.one(url).MD5OfMessageAttributes), want)
		}
	}},
	{Name: "protocol/no attribute digest without attributes", Run: func(b *bench) {
		url := b.queue(nil)
		equal(b, "digest", aws.ToString(b.send(url, "x").MD5OfMessageAttributes), "")
		equal(b, "digest", aws.ToString(b.one(url).MD5OfMessageAttributes), "")
	}},
	{Name: "protocol/system attribute digest", Run: func(b *bench) {
		url := b.queue(nil)
		header := types.MessageSystemAttributeValue{DataType: aws.String("String"), StringValue: aws.String(trace)}
		sent := b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": header},
		})
		if len(aws.ToString(sent.MD5OfMessageSystemAttributes)) != 32 {
			b.Errorf("digest is %q", aws.ToString(sent.MD5OfMessageSystemAttributes))
		}
	}},
	{Name: "protocol/digest of the attributes received only", Run: func(b *bench) {
		url := b.queue(nil)
		all := b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": text("1"), "b": text("2")},
		})
		other := b.queue(nil)
		part := b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &other, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": text("1")},
		})
		got := b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1, MessageAttributeNames: []string{"a"}})
		if len(got) != 1 {
			b.Fatalf("received %d messages", len(got))
		}
		equal(b, "digest", aws.ToString(got[0].MD5OfMessageAttributes), *part.MD5OfMessageAttributes)
		if *all.MD5OfMessageAttributes == *part.MD5OfMessageAttributes {
			b.Error("different attributes have one digest")
		}
	}},
	{Name: "protocol/missing queue", Run: func(b *bench) {
		url := b.queue(nil) + "-missing"
		_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		fails[*types.QueueDoesNotExist](b, err)
		_, err = b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		fails[*types.QueueDoesNotExist](b, err)
		_, err = b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url})
		fails[*types.QueueDoesNotExist](b, err)
		name := url[strings.LastIndex(url, "/")+1:]
		_, err = b.client.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		fails[*types.QueueDoesNotExist](b, err)
	}},
	{Name: "protocol/the code of the query protocol", Run: func(b *bench) {
		url := b.queue(nil) + "-missing"
		_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		var coded smithy.APIError
		if !errors.As(err, &coded) || coded.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
			b.Errorf("the error is %v", err)
		}
	}},
	{Name: "protocol/the host of a queue URL does not matter", Run: func(b *bench) {
		url := b.queue(nil)
		path := strings.Split(url, "/")
		elsewhere := "https://elsewhere.example/" + strings.Join(path[len(path)-2:], "/")
		b.send(elsewhere, "x")
		b.one(url)
	}},
}
