package sqstest

import (
	"bytes"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const mebibyte = 1 << 20

var bodies = []check{
	{Name: "bodies/all permitted characters", Run: func(b *bench) {
		url := b.queue(nil)
		var body strings.Builder
		roundTrip := func() {
			b.send(url, body.String())
			got := b.one(url)
			if *got.Body != body.String() {
				b.Errorf("%d bytes came back as %d others", body.Len(), len(*got.Body))
			}
			b.delete(url, got.ReceiptHandle)
			body.Reset()
		}
		for _, edge := range []string{"<a href=\"x\">&amp;</a>", "null", " ", "\u2028\u2029"} {
			body.WriteString(edge)
			roundTrip()
		}
		for _, part := range [][2]rune{{'\t', '\n'}, {'\r', '\r'}, {0x20, 0xd7ff}, {0xe000, 0xfffd}, {0x10000, 0x10ffff}} {
			for char := part[0]; char <= part[1]; char++ {
				if body.WriteRune(char); body.Len() > mebibyte-utf8.UTFMax {
					roundTrip()
				}
			}
		}
		roundTrip()
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
			_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			fails[*types.InvalidMessageContents](b, err)
		}
		b.none(url)
	}},
	{Name: "bodies/attributes of all types", Run: func(b *bench) {
		url := b.queue(nil)
		data := []byte{0, 1, 0xff, 0xfe}
		sent := attributes{
			"text": text("grüße\n😀"), "number": typed("Number", "-12.50e3"), "binary": binary("Binary", data),
			"custom.name-with": typed("String.event_id", "ev_1"), "custom_binary": binary("Binary.png", data),
			"custom_number": typed("Number.int", "12345678901234567890123456789012345678"),
		}
		b.sendWith(url, sent)
		got := b.one(url).MessageAttributes
		same := func(a, b types.MessageAttributeValue) bool {
			return *a.DataType == *b.DataType && aws.ToString(a.StringValue) == aws.ToString(b.StringValue) && bytes.Equal(a.BinaryValue, b.BinaryValue)
		}
		if !maps.EqualFunc(got, sent, same) {
			b.Errorf("attributes are %v, want %v", got, sent)
		}
	}},
	{Name: "bodies/system attributes", Lasts: time.Second, Run: func(b *bench) {
		url := b.queue(visibleAgain)
		before := time.Now().Add(-5 * time.Second)
		b.send(url, "x")
		first := b.one(url).Attributes
		time.Sleep(time.Second)
		second := b.one(url).Attributes
		sent, err := strconv.ParseInt(first["SentTimestamp"], 10, 64)
		b.must(err)
		if at := time.UnixMilli(sent); at.Before(before) || at.After(time.Now().Add(5*time.Second)) {
			b.Errorf("sent at %s", at)
		}
		equal(b, "receive count", first["ApproximateReceiveCount"], "1")
		equal(b, "second receive count", second["ApproximateReceiveCount"], "2")
		for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"} {
			equal(b, "second "+name, second[name], first[name])
		}
	}},
	{Name: "bodies/system attributes only when asked for", Run: func(b *bench) {
		url := b.queue(visibleAgain)
		b.send(url, "x")
		got := b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 1})
		equal(b, "attributes not asked for", len(got[0].Attributes), 0)
		got = b.receive(url, sqs.ReceiveMessageInput{
			WaitTimeSeconds:             1,
			AttributeNames:              []types.QueueAttributeName{"SentTimestamp"}, //nolint:staticcheck // deprecated, not gone
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"},
		})
		equal(b, "attributes asked for", len(got[0].Attributes), 2)
		equal(b, "receive count", got[0].Attributes["ApproximateReceiveCount"], "2")
	}},
}

// sendCase is a message that a queue with MaximumMessageSize 1024 accepts or refuses.
type sendCase struct {
	accepted bool
	input    sqs.SendMessageInput
}

func withAttributes(accepted bool, given attributes) sendCase {
	return sendCase{accepted, sqs.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: given}}
}

func withBody(accepted bool, body string, given attributes) sendCase {
	return sendCase{accepted, sqs.SendMessageInput{MessageBody: &body, MessageAttributes: given}}
}

func withGroup(accepted bool, group string) sendCase {
	return sendCase{accepted, sqs.SendMessageInput{MessageBody: aws.String("x"), MessageGroupId: &group}}
}

// sends makes a check of cases.
func sends(name string, cases ...sendCase) check {
	return check{Name: name, Run: func(b *bench) {
		url := b.queue(queueAttributes{"MaximumMessageSize": "1024"})
		for i, c := range cases {
			c.input.QueueUrl = &url
			if _, err := b.trySend(&c.input); c.accepted {
				b.must(err)
			} else {
				b.refused("case "+strconv.Itoa(i), err)
			}
		}
	}}
}

// named makes a case of each attribute name.
func named(accepted bool, names ...string) (cases []sendCase) {
	for _, name := range names {
		cases = append(cases, withAttributes(accepted, attributes{name: text("x")}))
	}
	return cases
}

func refusedValues(values ...types.MessageAttributeValue) (cases []sendCase) {
	for _, value := range values {
		cases = append(cases, withAttributes(false, attributes{"a": value}))
	}
	return cases
}

func numbered(n int) attributes {
	made := attributes{}
	for i := range n {
		made["a"+strconv.Itoa(i)] = text("x")
	}
	return made
}

var limits = []check{
	{Name: "limits/one mebibyte", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, strings.Repeat("x", mebibyte))
		equal(b, "length", len(*b.one(url).Body), mebibyte)
		_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", mebibyte+1))})
		b.refused("a byte more", err)
	}},
	sends("limits/the size is in bytes", withBody(true, strings.Repeat("😀", 256), nil), withBody(false, strings.Repeat("😀", 257), nil)),
	// name (4) + type (6) + value (5) = 15
	sends("limits/attributes count toward the size",
		withBody(true, strings.Repeat("x", 1024-15), attributes{"name": text("value")}),
		withBody(false, strings.Repeat("x", 1024-14), attributes{"name": text("value")})),
	// name (1) + type (6) + body (1) = 8
	sends("limits/binary attributes count by their bytes",
		withAttributes(true, attributes{"a": binary("Binary", make([]byte, 1024-8))}),
		withAttributes(false, attributes{"a": binary("Binary", make([]byte, 1024-7))})),
	sends("limits/an empty body", withBody(false, "", nil)),
	sends("limits/ten attributes", withAttributes(true, numbered(10)), withAttributes(false, numbered(11))),
	sends("limits/attribute names", append(
		named(false, ".leading", "trailing.", "two..periods", "with space", "ümlaut", "AWS.x", "aws.x", "Amazon.x", "aMaZoN.x", strings.Repeat("n", 257)),
		named(true, strings.Repeat("n", 256), "awsome_0-9.x")...)...),
	sends("limits/attribute types and values", refusedValues(
		typed("Text", "x"), typed("", "x"), typed("string", "x"), typed("Stringy", "x"), typed("String", ""),
		typed("Number", "x"), typed("Number", "1e"), typed("Number", ""), text("\x01"),
		binary("Binary", nil), types.MessageAttributeValue{DataType: aws.String("String")},
	)...),
	sends("limits/delay",
		sendCase{false, sqs.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: -1}},
		sendCase{false, sqs.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 901}},
		sendCase{true, sqs.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 900}}),
	{Name: "limits/receive", Run: func(b *bench) {
		url := b.queue(nil)
		for _, input := range []*sqs.ReceiveMessageInput{
			{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1},
		} {
			input.QueueUrl = &url
			_, err := b.client.ReceiveMessage(b.Context(), input)
			b.refused("a receive", err)
		}
	}},
	{Name: "limits/one message by default", Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		b.send(url, "y")
		equal(b, "received", len(b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 1})), 1)
	}},
}

var groups = []check{
	{Name: "groups/a group on a standard queue", Run: func(b *bench) {
		url := b.queue(nil)
		group := "cus_1!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
		_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: &group})
		b.must(err)
		equal(b, "group", b.one(url).Attributes["MessageGroupId"], group)
		b.send(url, "x")
		if group, ok := b.one(url).Attributes["MessageGroupId"]; ok {
			b.Errorf("a message without a group has %q", group)
		}
	}},
	{Name: "groups/they stay with dead letters", Run: func(b *bench) {
		source, deadLetters := b.pair("1", visibleAgain, nil)
		batch := entries(1, 1)
		batch[0].MessageGroupId = aws.String("cus_1")
		_, err := b.sendBatch(source, batch)
		b.must(err)
		equal(b, "group", b.one(source).Attributes["MessageGroupId"], "cus_1")
		b.none(source)
		equal(b, "group of the dead letter", b.one(deadLetters).Attributes["MessageGroupId"], "cus_1")
	}},
	sends("groups/limits", withGroup(false, "with space"), withGroup(false, "ümlaut"),
		withGroup(false, strings.Repeat("g", 129)), withGroup(true, strings.Repeat("g", 128))),
	{Name: "groups/they do not lock each other", Run: func(b *bench) {
		url := b.queue(nil)
		for range 2 {
			_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
			b.must(err)
		}
		for range 2 {
			equal(b, "received", len(b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 1})), 1)
		}
	}},
}
