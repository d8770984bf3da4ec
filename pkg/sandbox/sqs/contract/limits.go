package contract

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const mebibyte = 1 << 20

// refusesSend wants a message to be refused for a parameter.
func (b *bench) refusesSend(what string, input *sqs.SendMessageInput) {
	b.Helper()
	if _, err := b.client.SendMessage(b.Context(), input); err == nil {
		b.Errorf("%s was accepted", what)
	} else {
		b.refused(err)
	}
}

func (b *bench) refusesAttribute(url, name string, value types.MessageAttributeValue) {
	b.Helper()
	b.refusesSend("attribute "+strconv.Quote(name), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("x"),
		MessageAttributes: map[string]types.MessageAttributeValue{name: value},
	})
}

var limits = []check{
	{Name: "limits/one mebibyte", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, strings.Repeat("x", mebibyte))
		equal(b, "length", len(*b.one(url).Body), mebibyte)
		b.refusesSend("a byte more", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", mebibyte+1))})
	}},
	{Name: "limits/the size is in bytes", Run: func(b *bench) {
		url := b.queue(map[string]string{"MaximumMessageSize": "1024"})
		b.send(url, strings.Repeat("😀", 256))
		b.refusesSend("257 times four bytes", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("😀", 257))})
	}},
	{Name: "limits/attributes count toward the size", Run: func(b *bench) {
		url := b.queue(map[string]string{"MaximumMessageSize": "1024"})
		// name (4) + type (6) + value (5) = 15
		send := func(length int) error {
			_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", length)),
				MessageAttributes: map[string]types.MessageAttributeValue{"name": text("value")},
			})
			return err
		}
		b.must(send(1024 - 15))
		b.refused(send(1024 - 14))
	}},
	{Name: "limits/binary attributes count by their bytes", Run: func(b *bench) {
		url := b.queue(map[string]string{"MaximumMessageSize": "1024"})
		// name (1) + type (6) + body (1) = 8
		binary := func(length int) *sqs.SendMessageInput {
			return &sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("Binary"), BinaryValue: make([]byte, length)}},
			}
		}
		b.sendInput(binary(1024 - 8))
		b.refusesSend("a byte more", binary(1024-7))
	}},
	{Name: "limits/an empty body", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
		b.refused(err)
	}},
	{Name: "limits/ten attributes", Run: func(b *bench) {
		url := b.queue(nil)
		attributes := map[string]types.MessageAttributeValue{}
		for i := range 10 {
			attributes["a"+strconv.Itoa(i)] = text("x")
		}
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: attributes})
		attributes["eleventh"] = text("x")
		b.refusesSend("eleven attributes", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: attributes})
	}},
	{Name: "limits/attribute names", Run: func(b *bench) {
		url := b.queue(nil)
		for _, name := range []string{
			".leading", "trailing.", "two..periods", "with space", "ümlaut", "AWS.x", "aws.x", "Amazon.x", "aMaZoN.x", strings.Repeat("n", 257),
		} {
			b.refusesAttribute(url, name, text("x"))
		}
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{strings.Repeat("n", 256): text("x"), "awsome_0-9.x": text("x")},
		})
	}},
	{Name: "limits/attribute types and values", Run: func(b *bench) {
		url := b.queue(nil)
		value := func(dataType, value string) types.MessageAttributeValue {
			return types.MessageAttributeValue{DataType: &dataType, StringValue: &value}
		}
		for _, refused := range []types.MessageAttributeValue{
			value("Text", "x"), value("", "x"), value("string", "x"), value("Stringy", "x"),
			value("String", ""), value("Number", "x"), value("Number", "1e"), value("Number", "1e127"), value("Number", ""),
			value("Number", strings.Repeat("1", 39)),
			{DataType: aws.String("Binary")}, {DataType: aws.String("String")},
		} {
			b.refusesAttribute(url, "a", refused)
		}
		_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": text("\x01")},
		})
		if err == nil {
			b.Error("a control character in an attribute was accepted")
		}
	}},
	{Name: "limits/system attributes", Run: func(b *bench) {
		url := b.queue(nil)
		for name, value := range map[string]types.MessageSystemAttributeValue{
			"SenderId":       {DataType: aws.String("String"), StringValue: aws.String("x")},
			"AWSTraceHeader": {DataType: aws.String("Number"), StringValue: aws.String("1")},
		} {
			b.refusesSend("system attribute "+name, &sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: aws.String("x"),
				MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{name: value},
			})
		}
	}},
	{Name: "limits/delay", Run: func(b *bench) {
		url := b.queue(nil)
		for _, delay := range []int32{-1, 901} {
			b.refusesSend("delay", &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: delay})
		}
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 900})
	}},
	{Name: "limits/receive", Run: func(b *bench) {
		url := b.queue(nil)
		for _, input := range []*sqs.ReceiveMessageInput{
			{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1},
		} {
			input.QueueUrl = &url
			_, err := b.client.ReceiveMessage(b.Context(), input)
			b.refused(err)
		}
	}},
	{Name: "limits/one message by default", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		b.send(url, "y")
		equal(b, "received", len(b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})), 1)
	}},
	{Name: "limits/deduplication is for FIFO queues", Run: func(b *bench) {
		url := b.queue(nil)
		b.refusesSend("deduplication id", &sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("d"),
		})
	}},
}
