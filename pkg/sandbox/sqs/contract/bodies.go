package contract

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

var bodies = []check{
	{Name: "bodies/every permitted character", Run: func(b *bench) {
		url := b.queue(nil)
		for _, body := range []string{
			"\t\n\r ~", "<a href=\"x\">&amp;</a>", "\u007f\u0085\ud7ff", "\ue000\ufffd", "\U00010000😀\U0010ffff", "null", " ", "\u2028\u2029",
		} {
			b.send(url, body)
			got := b.one(url)
			equal(b, "body", *got.Body, body)
			b.delete(url, got.ReceiptHandle)
		}
	}},
	{Name: "bodies/all permitted characters", Run: func(b *bench) {
		url := b.queue(nil)
		var body strings.Builder
		send := func() {
			b.send(url, body.String())
			got := b.one(url)
			if *got.Body != body.String() {
				b.Errorf("%d bytes of characters came back as %d others", body.Len(), len(*got.Body))
			}
			b.delete(url, got.ReceiptHandle)
			body.Reset()
		}
		for _, part := range [][2]rune{{'\t', '\n'}, {'\r', '\r'}, {0x20, 0xd7ff}, {0xe000, 0xfffd}, {0x10000, 0x10ffff}} {
			for char := part[0]; char <= part[1]; char++ {
				if body.WriteRune(char); body.Len() > mebibyte-utf8.UTFMax {
					send()
				}
			}
		}
		send()
	}},
	{Name: "bodies/characters outside the permitted", Run: func(b *bench) {
		url := b.queue(nil)
		outside := []string{"\ufffe", "\uffff", "a\x01b"}
		for char := range ' ' {
			if !strings.ContainsRune("\t\n\r", char) {
				outside = append(outside, string(char))
			}
		}
		for _, body := range outside {
			_, err := b.client.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			fails[*types.InvalidMessageContents](b, err)
		}
		b.none(url)
	}},
	{Name: "bodies/attributes of all types", Run: func(b *bench) {
		url := b.queue(nil)
		binary := []byte{0, 1, 0xff, 0xfe}
		sent := map[string]types.MessageAttributeValue{
			"text":             text("grüße\n😀"),
			"number":           {DataType: aws.String("Number"), StringValue: aws.String("-12.50e3")},
			"binary":           {DataType: aws.String("Binary"), BinaryValue: binary},
			"custom.name-with": {DataType: aws.String("String.event_id"), StringValue: aws.String("ev_1")},
			"custom_number":    {DataType: aws.String("Number.int"), StringValue: aws.String("12345678901234567890123456789012345678")},
			"custom_binary":    {DataType: aws.String("Binary.png"), BinaryValue: binary},
		}
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: sent})
		got := b.one(url).MessageAttributes
		same := func(a, b types.MessageAttributeValue) bool {
			return *a.DataType == *b.DataType && aws.ToString(a.StringValue) == aws.ToString(b.StringValue) && bytes.Equal(a.BinaryValue, b.BinaryValue)
		}
		if !maps.EqualFunc(got, sent, same) {
			b.Errorf("attributes are %v, want %v", got, sent)
		}
	}},
	{Name: "bodies/attributes chosen by name and prefix", Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "0"})
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"bar.a": text("1"), "bar.b": text("2"), "foo": text("3")},
		})
		for _, choice := range []struct{ names, want []string }{
			{nil, nil},
			{[]string{"foo"}, []string{"foo"}},
			{[]string{"bar.*"}, []string{"bar.a", "bar.b"}},
			{[]string{"foo", "bar.b", "none"}, []string{"bar.b", "foo"}},
			{[]string{".*"}, []string{"bar.a", "bar.b", "foo"}},
			{[]string{"All"}, []string{"bar.a", "bar.b", "foo"}},
		} {
			got := b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1, MessageAttributeNames: choice.names})
			if len(got) != 1 {
				b.Fatalf("received %d messages", len(got))
			}
			if names := slices.Sorted(maps.Keys(got[0].MessageAttributes)); !slices.Equal(names, choice.want) {
				b.Errorf("%v chooses %v, want %v", choice.names, names, choice.want)
			}
		}
	}},
	{Name: "bodies/system attributes", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "0"})
		before := time.Now().Add(-5 * time.Second)
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String(trace)},
			},
		})
		first := b.one(url).Attributes
		time.Sleep(time.Second)
		second := b.one(url).Attributes
		sent, err := strconv.ParseInt(first["SentTimestamp"], 10, 64)
		b.must(err)
		if at := time.UnixMilli(sent); at.Before(before) || at.After(time.Now().Add(5*time.Second)) {
			b.Errorf("sent at %s", at)
		}
		equal(b, "trace header", first["AWSTraceHeader"], trace)
		equal(b, "receive count", first["ApproximateReceiveCount"], "1")
		equal(b, "second receive count", second["ApproximateReceiveCount"], "2")
		equal(b, "second sent time", second["SentTimestamp"], first["SentTimestamp"])
		equal(b, "second time of the first receive", second["ApproximateFirstReceiveTimestamp"], first["ApproximateFirstReceiveTimestamp"])
		if first["SenderId"] == "" {
			b.Error("no sender")
		}
	}},
	{Name: "bodies/system attributes only when asked for", Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "0"})
		b.send(url, "x")
		got := b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
		equal(b, "attributes not asked for", len(got[0].Attributes), 0)
		got = b.receiveInput(&sqs.ReceiveMessageInput{
			QueueUrl: &url, WaitTimeSeconds: 1,
			AttributeNames:              []types.QueueAttributeName{"SentTimestamp"}, //nolint:staticcheck // deprecated, not gone
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"},
		})
		equal(b, "attributes asked for", len(got[0].Attributes), 2)
		equal(b, "receive count", got[0].Attributes["ApproximateReceiveCount"], "2")
	}},
	{Name: "bodies/the trace header does not count toward the size", Run: func(b *bench) {
		url := b.queue(map[string]string{"MaximumMessageSize": "1024"})
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 1024)),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String(trace)},
			},
		})
		b.one(url)
	}},
}
