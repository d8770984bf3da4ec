package contract

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// pair makes a queue that dead-letters after so many receives, and its
// dead-letter queue.
func (b *bench) pair(maxReceives string, attributes map[string]string) (source, deadLetters string) {
	b.Helper()
	deadLetters = b.queue(nil)
	merged := redrive(b.arn(deadLetters), maxReceives)
	maps.Copy(merged, attributes)
	return b.queue(merged), deadLetters
}

var deadLetters = []check{
	{Name: "dead letters/moved by the receive after the last", Run: func(b *bench) {
		source, deadLetters := b.pair("2", map[string]string{"VisibilityTimeout": "0"})
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &source, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": text("1")},
		})
		b.one(source)
		second := b.one(source)
		b.counts(deadLetters, "0", "0", "0")
		b.none(source)
		b.counts(source, "0", "0", "0")
		moved := b.one(deadLetters)
		equal(b, "id", *moved.MessageId, *second.MessageId)
		equal(b, "body", *moved.Body, "x")
		equal(b, "attribute", aws.ToString(moved.MessageAttributes["a"].StringValue), "1")
		equal(b, "sent time", moved.Attributes["SentTimestamp"], second.Attributes["SentTimestamp"])
	}},
	{Name: "dead letters/they know their source", Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "0"})
		b.send(source, "x")
		if got, ok := b.one(source).Attributes["DeadLetterQueueSourceArn"]; ok {
			b.Errorf("a message in its source has the source %s", got)
		}
		b.none(source)
		equal(b, "source", b.one(deadLetters).Attributes["DeadLetterQueueSourceArn"], b.arn(source))
	}},
	{Name: "dead letters/receives count over all queues", Run: func(b *bench) {
		source, deadLetters := b.pair("2", map[string]string{"VisibilityTimeout": "0"})
		b.send(source, "x")
		b.one(source)
		b.one(source)
		b.none(source)
		equal(b, "receive count", b.one(deadLetters).Attributes["ApproximateReceiveCount"], "3")
	}},
	{Name: "dead letters/releases and expiries count", Lasts: time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("2", map[string]string{"VisibilityTimeout": "1"})
		b.send(source, "x")
		b.must(b.changeVisibility(source, b.one(source).ReceiptHandle, 0))
		b.one(source)
		time.Sleep(1100 * time.Millisecond)
		b.none(source)
		b.one(deadLetters)
	}},
	{Name: "dead letters/a poll goes on to the next message", Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "0"})
		b.send(source, "old")
		b.one(source)
		b.send(source, "new")
		equal(b, "body", *b.one(source).Body, "new")
		equal(b, "body of the dead letter", *b.one(deadLetters).Body, "old")
	}},
	{Name: "dead letters/a poll on the dead-letter queue is woken", Lasts: time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "1"})
		b.send(source, "x")
		b.one(source)
		done := after(1100*time.Millisecond, func() { b.none(source) })
		messages, took := b.pollTook(deadLetters, 20)
		b.within(messages, took, time.Second)
		<-done
	}},
	{Name: "dead letters/retention goes on from the send", Lasts: 2 * time.Minute, Run: func(b *bench) {
		deadLetters := b.queue(map[string]string{"MessageRetentionPeriod": "90", "VisibilityTimeout": "0"})
		attributes := redrive(b.arn(deadLetters), "1")
		attributes["VisibilityTimeout"] = "0"
		source := b.queue(attributes)
		b.send(source, "x")
		b.one(source)
		time.Sleep(80 * time.Second)
		b.none(source)
		b.one(deadLetters)
		time.Sleep(11 * time.Second)
		b.none(deadLetters)
	}},
	{Name: "dead letters/policy", Run: func(b *bench) {
		target := b.arn(b.queue(nil))
		url := b.queue(nil)
		for _, policy := range []string{
			`{"deadLetterTargetArn":"` + target + `","maxReceiveCount":0}`,
			`{"deadLetterTargetArn":"` + target + `","maxReceiveCount":1001}`,
			`{"deadLetterTargetArn":"` + target + `","maxReceiveCount":"x"}`,
			`{"deadLetterTargetArn":"` + target + `-missing","maxReceiveCount":3}`,
			`{"maxReceiveCount":3}`,
			`no JSON`,
		} {
			if err := b.setAttributes(url, map[string]string{"RedrivePolicy": policy}); err == nil {
				b.Errorf("%s was accepted", policy)
			}
		}
		if got, ok := b.attributes(url)["RedrivePolicy"]; ok {
			b.Errorf("the policy is %s", got)
		}
		b.must(b.setAttributes(url, redrive(target, `"3"`)))
		b.must(b.setAttributes(url, redrive(target, "1000")))
	}},
	{Name: "dead letters/a policy is removed by an empty one", Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "0"})
		b.must(b.setAttributes(source, map[string]string{"RedrivePolicy": ""}))
		if got, ok := b.attributes(source)["RedrivePolicy"]; ok {
			b.Errorf("the removed policy is %s", got)
		}
		b.send(source, "x")
		b.one(source)
		b.one(source)
		b.none(deadLetters)
	}},
	{Name: "dead letters/sources are listed", Run: func(b *bench) {
		source, deadLetters := b.pair("1", nil)
		other := b.queue(redrive(b.arn(deadLetters), "5"))
		b.queue(nil)
		got, err := b.client.ListDeadLetterSourceQueues(b.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &deadLetters})
		b.must(err)
		want := []string{source, other}
		slices.Sort(want)
		slices.Sort(got.QueueUrls)
		if !slices.Equal(got.QueueUrls, want) {
			b.Errorf("sources are %v, want %v", got.QueueUrls, want)
		}
		none, err := b.client.ListDeadLetterSourceQueues(b.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &source})
		b.must(err)
		equal(b, "sources of a source", len(none.QueueUrls), 0)
	}},
	{Name: "dead letters/sources are listed page by page", Run: func(b *bench) {
		deadLetters := b.queue(nil)
		var want, got []string
		for range 5 {
			want = append(want, b.queue(redrive(b.arn(deadLetters), "1")))
		}
		pages := sqs.NewListDeadLetterSourceQueuesPaginator(b.client, &sqs.ListDeadLetterSourceQueuesInput{
			QueueUrl: &deadLetters, MaxResults: aws.Int32(2),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			if len(page.QueueUrls) > 2 {
				b.Errorf("%d sources on a page of 2", len(page.QueueUrls))
			}
			got = append(got, page.QueueUrls...)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			b.Errorf("sources are %v, want %v", got, want)
		}
	}},
	{Name: "dead letters/allow policy", Run: func(b *bench) {
		deadLetters, source, other := b.queue(nil), b.queue(nil), b.queue(nil)
		allow := func(policy string) {
			b.Helper()
			b.must(b.setAttributes(deadLetters, map[string]string{"RedriveAllowPolicy": policy}))
		}
		policy := redrive(b.arn(deadLetters), "3")
		allow(`{"redrivePermission":"denyAll"}`)
		if b.setAttributes(source, policy) == nil {
			b.Error("denyAll lets a source in")
		}
		allow(`{"redrivePermission":"byQueue","sourceQueueArns":["` + b.arn(source) + `"]}`)
		if b.setAttributes(other, policy) == nil {
			b.Error("byQueue lets another source in")
		}
		b.must(b.setAttributes(source, policy))
		allow(`{"redrivePermission":"allowAll"}`)
		b.must(b.setAttributes(other, policy))
		if b.setAttributes(deadLetters, map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"some"}`}) == nil {
			b.Error("an unknown permission was accepted")
		}
	}},
	{Name: "dead letters/allow policy by queue names one to ten", Run: func(b *bench) {
		deadLetters := b.queue(nil)
		for count, accepted := range map[int]bool{0: false, 1: true, 10: true, 11: false} {
			arns := strings.Join(slices.Repeat([]string{`"` + b.arn(deadLetters) + `"`}, count), ",")
			policy := `{"redrivePermission":"byQueue","sourceQueueArns":[` + arns + `]}`
			if err := b.setAttributes(deadLetters, map[string]string{"RedriveAllowPolicy": policy}); (err == nil) != accepted {
				b.Errorf("%d sources: the error is %v", count, err)
			}
		}
		policy := `{"redrivePermission":"allowAll","sourceQueueArns":["` + b.arn(deadLetters) + `"]}`
		if b.setAttributes(deadLetters, map[string]string{"RedriveAllowPolicy": policy}) == nil {
			b.Error("allowAll took a list of sources")
		}
	}},
}
