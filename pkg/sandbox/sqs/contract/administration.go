package contract

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

var administration = []check{
	{Name: "administration/default attributes", Run: func(b *bench) {
		got := b.attributes(b.queue(nil))
		for name, want := range map[string]string{
			"DelaySeconds":                  "0",
			"VisibilityTimeout":             "30",
			"ReceiveMessageWaitTimeSeconds": "0",
			"MessageRetentionPeriod":        "345600",
			"MaximumMessageSize":            "1048576",
			"ApproximateNumberOfMessages":   "0",
		} {
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
		url := b.named(name, map[string]string{"VisibilityTimeout": "40"})
		equal(b, "URL of the same queue", b.named(name, map[string]string{"VisibilityTimeout": "40"}), url)
		equal(b, "URL without attributes", b.named(name, nil), url)
		_, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{
			QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "41"},
		})
		fails[*types.QueueNameExists](b, err)
	}},
	{Name: "administration/queue names", Run: func(b *bench) {
		for _, name := range []string{strings.Repeat("a", 81), "with space", "with.dot", "ümlaut"} {
			_, err := b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name})
			b.refused(err)
		}
		long := conformance.Name()
		b.named(long+strings.Repeat("_", 80-len(long)), nil)
	}},
	{Name: "administration/setting one attribute keeps the others", Run: func(b *bench) {
		url := b.queue(map[string]string{"DelaySeconds": "3", "MessageRetentionPeriod": "600"})
		b.must(b.setAttributes(url, map[string]string{"VisibilityTimeout": "77"}))
		got := b.attributes(url)
		equal(b, "VisibilityTimeout", got["VisibilityTimeout"], "77")
		equal(b, "DelaySeconds", got["DelaySeconds"], "3")
		equal(b, "MessageRetentionPeriod", got["MessageRetentionPeriod"], "600")
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
				err := b.setAttributes(url, map[string]string{name: value})
				fails[*types.InvalidAttributeValue](b, err)
			}
		}
		fails[*types.InvalidAttributeName](b, b.setAttributes(url, map[string]string{"Colour": "red"}))
		fails[*types.InvalidAttributeName](b, b.setAttributes(url, map[string]string{"QueueArn": "arn"}))
		b.must(b.setAttributes(url, map[string]string{
			"DelaySeconds": "900", "VisibilityTimeout": "43200", "ReceiveMessageWaitTimeSeconds": "20",
			"MessageRetentionPeriod": "1209600", "MaximumMessageSize": "1024",
		}))
	}},
	{Name: "administration/an invalid attribute changes nothing", Run: func(b *bench) {
		url := b.queue(nil)
		before := b.attributes(url)
		fails[*types.InvalidAttributeValue](b, b.setAttributes(url, map[string]string{"DelaySeconds": "5", "VisibilityTimeout": "-1"}))
		if after := b.attributes(url); !maps.Equal(before, after) {
			b.Errorf("attributes are %v, were %v", after, before)
		}
	}},
	{Name: "administration/chosen attributes", Run: func(b *bench) {
		url := b.queue(nil)
		got := b.attributes(url, types.QueueAttributeNameVisibilityTimeout, types.QueueAttributeNameDelaySeconds)
		if len(got) != 2 || got["VisibilityTimeout"] != "30" || got["DelaySeconds"] != "0" {
			b.Errorf("attributes are %v", got)
		}
		_, err := b.client.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"},
		})
		fails[*types.InvalidAttributeName](b, err)
	}},
	{Name: "administration/list by prefix, page by page", Run: func(b *bench) {
		prefix := conformance.Name()
		var want []string
		for _, suffix := range []string{"a", "b", "c", "d", "e"} {
			want = append(want, b.named(prefix+suffix, nil))
		}
		var got []string
		pages := sqs.NewListQueuesPaginator(b.client, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			if len(page.QueueUrls) > 2 {
				b.Errorf("%d queues on a page of 2", len(page.QueueUrls))
			}
			got = append(got, page.QueueUrls...)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			b.Errorf("queues are %v, want %v", got, want)
		}
	}},
	{Name: "administration/tags", Run: func(b *bench) {
		url := b.queue(nil)
		_, err := b.client.TagQueue(b.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": "2"}})
		b.must(err)
		_, err = b.client.TagQueue(b.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"b": "3"}})
		b.must(err)
		_, err = b.client.UntagQueue(b.Context(), &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a"}})
		b.must(err)
		got, err := b.client.ListQueueTags(b.Context(), &sqs.ListQueueTagsInput{QueueUrl: &url})
		b.must(err)
		if !maps.Equal(got.Tags, map[string]string{"b": "3"}) {
			b.Errorf("tags are %v", got.Tags)
		}
	}},
	{Name: "administration/delete with messages", Lasts: time.Minute, Run: func(b *bench) {
		name := conformance.Name()
		url := b.named(name, nil)
		b.send(url, "x")
		_, err := b.client.DeleteQueue(b.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
		b.must(err)
		time.Sleep(time.Minute) // as long as calls may still succeed
		_, err = b.client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		fails[*types.QueueDoesNotExist](b, err)
	}},
	{Name: "administration/a deleted name rests for a minute", Lasts: time.Minute, Run: func(b *bench) {
		name := conformance.Name()
		url := b.named(name, nil)
		b.send(url, "x")
		_, err := b.client.DeleteQueue(b.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
		b.must(err)
		_, err = b.client.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: &name})
		fails[*types.QueueDeletedRecently](b, err)
		time.Sleep(time.Minute)
		b.none(b.named(name, nil))
	}},
	{Name: "administration/purge", Lasts: time.Minute, Run: func(b *bench) {
		url := b.queue(nil)
		b.send(url, "in flight")
		b.one(url)
		b.send(url, "visible")
		b.sendInput(&sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("delayed"), DelaySeconds: 30})
		_, err := b.client.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		b.must(err)
		_, err = b.client.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		fails[*types.PurgeQueueInProgress](b, err)
		time.Sleep(time.Minute)
		b.counts(url, "0", "0", "0")
		_, err = b.client.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
		b.must(err)
	}},
	{Name: "administration/retention", Lasts: time.Minute, Run: func(b *bench) {
		url := b.queue(map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "0"})
		b.send(url, "x")
		time.Sleep(59 * time.Second)
		b.one(url)
		time.Sleep(time.Second)
		b.none(url)
		b.counts(url, "0", "0", "0")
	}},
	{Name: "administration/a shorter retention is for old messages too", Lasts: 16 * time.Minute, Run: func(b *bench) {
		url := b.queue(map[string]string{"VisibilityTimeout": "0"})
		b.send(url, "x")
		time.Sleep(time.Minute)
		b.one(url)
		b.must(b.setAttributes(url, map[string]string{"MessageRetentionPeriod": "60"}))
		time.Sleep(15 * time.Minute) // as long as the change may take
		b.none(url)
	}},
	{Name: "administration/another delay and timeout are for later messages", Lasts: 2 * time.Second, Run: func(b *bench) {
		url := b.queue(map[string]string{"DelaySeconds": "1", "VisibilityTimeout": "1"})
		b.send(url, "delayed by a second")
		b.must(b.setAttributes(url, map[string]string{"DelaySeconds": "900"}))
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
		b.must(b.setAttributes(url, map[string]string{"VisibilityTimeout": "900"}))
		time.Sleep(1100 * time.Millisecond)
		b.one(url)
		time.Sleep(1100 * time.Millisecond)
		b.none(url)
	}},
}
