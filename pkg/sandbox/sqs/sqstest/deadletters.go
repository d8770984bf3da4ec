package sqstest

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var deadLetters = []check{
	{Name: "dead letters/moved by the receive after the last", Run: func(b *bench) {
		source, deadLetters := b.pair("2", visibleAgain, nil)
		b.sendWith(source, attributes{"a": text("1")})
		if got, ok := b.one(source).Attributes["DeadLetterQueueSourceArn"]; ok {
			b.Errorf("a message in its source has the source %s", got)
		}
		second := b.one(source)
		b.counts(deadLetters, "0", "0", "0")
		b.none(source)
		b.counts(source, "0", "0", "0")
		moved := b.one(deadLetters)
		equal(b, "id", *moved.MessageId, *second.MessageId)
		equal(b, "body", *moved.Body, "x")
		equal(b, "attribute", aws.ToString(moved.MessageAttributes["a"].StringValue), "1")
		equal(b, "sent time", moved.Attributes["SentTimestamp"], second.Attributes["SentTimestamp"])
		equal(b, "source", moved.Attributes["DeadLetterQueueSourceArn"], b.arn(source))
		equal(b, "receive count over all queues", moved.Attributes["ApproximateReceiveCount"], "3")
	}},
	{Name: "dead letters/releases and expiries count", Lasts: time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("2", queueAttributes{"VisibilityTimeout": "1"}, nil)
		b.send(source, "x")
		b.must(b.changeVisibility(source, b.one(source).ReceiptHandle, 0))
		b.one(source)
		time.Sleep(1100 * time.Millisecond)
		b.none(source)
		b.one(deadLetters)
	}},
	{Name: "dead letters/a poll goes on to the next message", Run: func(b *bench) {
		source, deadLetters := b.pair("1", visibleAgain, nil)
		b.send(source, "old")
		b.one(source)
		b.send(source, "new")
		equal(b, "body", *b.one(source).Body, "new")
		equal(b, "body of the dead letter", *b.one(deadLetters).Body, "old")
	}},
	{Name: "dead letters/a poll on the dead-letter queue is woken", Lasts: time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("1", queueAttributes{"VisibilityTimeout": "1"}, nil)
		b.send(source, "x")
		b.one(source)
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(1100 * time.Millisecond)
			b.none(source)
		}()
		start := time.Now()
		equal(b, "received", len(b.poll(deadLetters, 20)), 1)
		b.tookAbout(start, time.Second)
		<-done
	}},
	{Name: "dead letters/retention goes on from the send", Lasts: 2 * time.Minute, Run: func(b *bench) {
		source, deadLetters := b.pair("1", visibleAgain, queueAttributes{"MessageRetentionPeriod": "90", "VisibilityTimeout": "0"})
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
		for _, policy := range []queueAttributes{
			redrive(target, "0"), redrive(target, "1001"), redrive(target, `"x"`), redrive(target+"-missing", "3"),
			{"RedrivePolicy": `{"maxReceiveCount":3}`}, {"RedrivePolicy": "not JSON"},
		} {
			if b.set(url, policy) == nil {
				b.Errorf("%s was accepted", policy)
			}
		}
		if got, ok := b.attributes(url)["RedrivePolicy"]; ok {
			b.Errorf("the policy is %s", got)
		}
		b.must(b.set(url, redrive(target, `"3"`)))
		b.must(b.set(url, redrive(target, "1000")))
	}},
	{Name: "dead letters/a policy is removed by an empty one", Run: func(b *bench) {
		source, deadLetters := b.pair("1", visibleAgain, nil)
		b.must(b.set(source, queueAttributes{"RedrivePolicy": ""}))
		if got, ok := b.attributes(source)["RedrivePolicy"]; ok {
			b.Errorf("the removed policy is %s", got)
		}
		b.send(source, "x")
		b.one(source)
		b.one(source)
		b.none(deadLetters)
	}},
	{Name: "dead letters/allow policy", Run: func(b *bench) {
		deadLetters, source, other := b.queue(nil), b.queue(nil), b.queue(nil)
		allow := func(policy string) error { return b.set(deadLetters, queueAttributes{"RedriveAllowPolicy": policy}) }
		policy := redrive(b.arn(deadLetters), "3")
		b.must(allow(`{"redrivePermission":"denyAll"}`))
		if b.set(source, policy) == nil {
			b.Error("denyAll allows a source")
		}
		b.must(allow(`{"redrivePermission":"byQueue","sourceQueueArns":["` + b.arn(source) + `"]}`))
		if b.set(other, policy) == nil {
			b.Error("byQueue allows another source")
		}
		b.must(b.set(source, policy))
		b.must(allow(`{"redrivePermission":"allowAll"}`))
		b.must(b.set(other, policy))
		for _, wrong := range []string{`{"redrivePermission":"some"}`, `{"redrivePermission":"byQueue","sourceQueueArns":[]}`} {
			if allow(wrong) == nil {
				b.Errorf("%s was accepted", wrong)
			}
		}
	}},
	{Name: "dead letters/moved back as new messages", Lasts: 4 * time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("1", visibleAgain, visibleAgain)
		batch := entries(3, 1)
		for i := range batch {
			batch[i].MessageGroupId, batch[i].MessageAttributes = aws.String("cus_1"), attributes{"event_id": text("ev_1")}
		}
		_, err := b.sendBatch(source, batch)
		b.must(err)
		equal(b, "received", len(b.poll(source, 1)), 3)
		b.none(source)
		var ids []string
		for _, message := range b.poll(deadLetters, 1) {
			ids = append(ids, *message.MessageId)
		}
		time.Sleep(2 * time.Second)
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(b.arn(deadLetters))})
		b.must(err)
		time.Sleep(2 * time.Second)
		b.counts(deadLetters, "0", "0", "0")
		moved := b.poll(source, 1)
		equal(b, "moved", len(moved), 3)
		for _, message := range moved {
			equal(b, "receive count", message.Attributes["ApproximateReceiveCount"], "1")
			equal(b, "group", message.Attributes["MessageGroupId"], "cus_1")
			equal(b, "attribute", aws.ToString(message.MessageAttributes["event_id"].StringValue), "ev_1")
			if slices.Contains(ids, *message.MessageId) {
				b.Error("a moved message has kept its id")
			}
		}
		missing := b.arn(deadLetters) + "-missing"
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &missing})
		fails[*types.ResourceNotFoundException](b, err)
	}},
}
