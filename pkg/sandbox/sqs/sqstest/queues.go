package sqstest

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
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
		for dataType, want := range map[string]string{
			"Number":                "235c5c510d26fb653d073faed50ae77c",
			"Number.java.lang.Long": "2e2e4876d8e0bd6b8c2c8f556831c349",
		} {
			url := b.queue(nil)
			sent := b.sendWith(url, attributes{"timestamp": typed(dataType, "1493147359900")})
			equal(b, "digest on send", aws.ToString(sent.MD5OfMessageAttributes), want)
			equal(b, "digest on receive", aws.ToString(b.one(url).MD5OfMessageAttributes), want)
		}
	}},
	{Name: "protocol/no attribute digest without attributes", Run: func(b *bench) {
		url := b.queue(nil)
		equal(b, "digest", aws.ToString(b.send(url, "x").MD5OfMessageAttributes), "")
		equal(b, "digest", aws.ToString(b.one(url).MD5OfMessageAttributes), "")
	}},
	{Name: "protocol/digest of the attributes received only", Run: func(b *bench) {
		url := b.queue(nil)
		all := b.sendWith(url, attributes{"a": text("1"), "b": text("2")})
		part := b.sendWith(b.queue(nil), attributes{"a": text("1")})
		got := b.receive(url, sqs.ReceiveMessageInput{WaitTimeSeconds: 1, MessageAttributeNames: []string{"a"}})
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
		name := url[strings.LastIndex(url, "/")+1:]
		_, send := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		_, receive := b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		_, attributes := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url})
		_, find := b.client.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		for _, err := range []error{send, receive, attributes, find} {
			fails[*types.QueueDoesNotExist](b, err)
		}
	}},
	{Name: "protocol/the code of the query protocol", Run: func(b *bench) {
		url := b.queue(nil) + "-missing"
		_, err := b.trySend(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		var coded smithy.APIError
		if !errors.As(err, &coded) || coded.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
			b.Errorf("error %v", err)
		}
	}},
	{Name: "protocol/the host of a queue URL does not matter", Run: func(b *bench) {
		url := b.queue(nil)
		path := strings.Split(url, "/")
		b.send("https://elsewhere.example/"+strings.Join(path[len(path)-2:], "/"), "x")
		b.one(url)
	}},
}

var administration = []check{
	{Name: "administration/default attributes", Run: func(b *bench) {
		got := b.attributes(b.queue(nil))
		for name, want := range (queueAttributes{
			"DelaySeconds": "0", "VisibilityTimeout": "30", "ReceiveMessageWaitTimeSeconds": "0",
			"MessageRetentionPeriod": "345600", "MaximumMessageSize": "1048576", "ApproximateNumberOfMessages": "0",
		}) {
			equal(b, name, got[name], want)
		}
		created, err := strconv.ParseInt(got["CreatedTimestamp"], 10, 64)
		b.must(err)
		if age := time.Since(time.Unix(created, 0)).Abs(); age > time.Minute {
			b.Errorf("created %s ago", age)
		}
		if !strings.HasPrefix(got["QueueArn"], "arn:aws:sqs:") {
			b.Errorf("the ARN is %q", got["QueueArn"])
		}
	}},
	{Name: "administration/url by name", Run: func(b *bench) {
		name := conformance.Name()
		url := b.named(name, nil)
		got, err := b.client.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		b.must(err)
		equal(b, "URL", *got.QueueUrl, url)
	}},
	{Name: "administration/create again", Run: func(b *bench) {
		name := conformance.Name()
		url := b.named(name, queueAttributes{"VisibilityTimeout": "40"})
		equal(b, "URL of the same queue", b.named(name, queueAttributes{"VisibilityTimeout": "40"}), url)
		equal(b, "URL without attributes", b.named(name, nil), url)
		_, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: queueAttributes{"VisibilityTimeout": "41"}})
		fails[*types.QueueNameExists](b, err)
	}},
	{Name: "administration/queue names", Run: func(b *bench) {
		for _, name := range []string{strings.Repeat("a", 81), "with space", "with.dot", "ümlaut"} {
			_, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name})
			b.refused(name, err)
		}
		long := conformance.Name()
		b.named(long+strings.Repeat("_", 80-len(long)), nil)
	}},
	{Name: "administration/setting one attribute keeps the others", Run: func(b *bench) {
		url := b.queue(queueAttributes{"DelaySeconds": "3", "MessageRetentionPeriod": "600"})
		b.must(b.set(url, queueAttributes{"VisibilityTimeout": "77"}))
		got := b.attributes(url)
		for name, want := range (queueAttributes{"VisibilityTimeout": "77", "DelaySeconds": "3", "MessageRetentionPeriod": "600"}) {
			equal(b, name, got[name], want)
		}
	}},
	{Name: "administration/attribute ranges", Run: func(b *bench) {
		url := b.queue(nil)
		for name, values := range map[string][]string{
			"DelaySeconds":                  {"-1", "901", "x"},
			"VisibilityTimeout":             {"-1", "43201"},
			"ReceiveMessageWaitTimeSeconds": {"-1", "21"},
			"MessageRetentionPeriod":        {"59", "1209601"},
			"MaximumMessageSize":            {"1023", "1048577"},
		} {
			for _, value := range values {
				fails[*types.InvalidAttributeValue](b, b.set(url, queueAttributes{name: value}))
			}
		}
		fails[*types.InvalidAttributeName](b, b.set(url, queueAttributes{"Colour": "red"}))
		fails[*types.InvalidAttributeName](b, b.set(url, queueAttributes{"QueueArn": "arn"}))
		b.must(b.set(url, queueAttributes{
			"DelaySeconds": "900", "VisibilityTimeout": "43200", "ReceiveMessageWaitTimeSeconds": "20",
			"MessageRetentionPeriod": "1209600", "MaximumMessageSize": "1024",
		}))
	}},
	{Name: "administration/an invalid attribute changes nothing", Run: func(b *bench) {
		url := b.queue(nil)
		before := b.attributes(url)
		fails[*types.InvalidAttributeValue](b, b.set(url, queueAttributes{"DelaySeconds": "5", "VisibilityTimeout": "-1"}))
		if after := b.attributes(url); !maps.Equal(before, after) {
			b.Errorf("attributes are %v, were %v", after, before)
		}
	}},
	{Name: "administration/chosen attributes", Run: func(b *bench) {
		url := b.queue(nil)
		got := b.attributes(url, types.QueueAttributeNameVisibilityTimeout, types.QueueAttributeNameDelaySeconds)
		if want := (queueAttributes{"VisibilityTimeout": "30", "DelaySeconds": "0"}); !maps.Equal(got, want) {
			b.Errorf("attributes are %v, want %v", got, want)
		}
		_, err := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"},
		})
		fails[*types.InvalidAttributeName](b, err)
	}},
	{Name: "administration/list by prefix", Run: func(b *bench) {
		prefix := conformance.Name()
		want := []string{b.named(prefix+"a", nil), b.named(prefix+"b", nil), b.named(prefix+"c", nil)}
		got, err := b.client.ListQueues(b.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
		b.must(err)
		slices.Sort(got.QueueUrls)
		if !slices.Equal(got.QueueUrls, want) {
			b.Errorf("queues are %v, want %v", got.QueueUrls, want)
		}
	}},
	{Name: "administration/delete with messages", Lasts: time.Minute, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "x")
		_, err := b.client.DeleteQueue(b.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
		b.must(err)
		time.Sleep(time.Minute) // as long as calls may still succeed
		_, err = b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		fails[*types.QueueDoesNotExist](b, err)
	}},
	{Name: "administration/purge takes all messages", Lasts: time.Minute, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "in flight")
		b.one(url)
		b.send(url, "visible")
		b.sendDelayed(url, "delayed", 30)
		_, err := b.client.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		b.must(err)
		time.Sleep(time.Minute) // as long as the purge may take
		b.counts(url, "0", "0", "0")
	}},
	{Name: "administration/retention", Lasts: time.Minute, Run: func(b *bench) {
		url := b.queue(queueAttributes{"MessageRetentionPeriod": "60", "VisibilityTimeout": "0"})
		b.send(url, "x")
		time.Sleep(59 * time.Second)
		b.one(url)
		time.Sleep(time.Second)
		b.none(url)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "administration/a shorter retention is for old messages too", Lasts: 16 * time.Minute, Run: func(b *bench) {
		url := b.queue(visibleAgain)
		b.send(url, "x")
		time.Sleep(time.Minute)
		b.one(url)
		b.must(b.set(url, queueAttributes{"MessageRetentionPeriod": "60"}))
		time.Sleep(15 * time.Minute) // as long as the change may take
		b.none(url)
	}},
	{Name: "administration/another delay and timeout are for later messages", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(queueAttributes{"DelaySeconds": "1", "VisibilityTimeout": "1"})
		b.send(url, "delayed by a second")
		b.must(b.set(url, queueAttributes{"DelaySeconds": "900"}))
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
		b.must(b.set(url, queueAttributes{"VisibilityTimeout": "900"}))
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
		time.Sleep(1100 * time.Millisecond)
		b.none(url)
	}},
}
