package contract

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// deadPair makes a pair of queues with n dead letters from the source.
func (b *bench) deadPair(n int) (source, deadLetters string) {
	b.Helper()
	source, deadLetters = b.pair("1", map[string]string{"VisibilityTimeout": "0"})
	_, err := b.sendBatch(source, entries(n, 1))
	b.must(err)
	equal(b, "received", len(b.poll(source, 1)), n)
	b.none(source)
	return source, deadLetters
}

func (b *bench) latestTask(arn string) types.ListMessageMoveTasksResultEntry {
	b.Helper()
	listed, err := b.client.ListMessageMoveTasks(b.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
	b.must(err)
	if len(listed.Results) != 1 {
		b.Fatalf("%d tasks are listed, want the latest", len(listed.Results))
	}
	return listed.Results[0]
}

var moveTasks = []check{
	{Name: "move tasks/back to the source as new messages", Lasts: 3 * time.Second, Run: func(b *bench) {
		source, deadLetters := b.deadPair(3)
		b.must(b.setAttributes(deadLetters, map[string]string{"VisibilityTimeout": "0"}))
		var ids []string
		for _, message := range b.poll(deadLetters, 1) {
			ids = append(ids, *message.MessageId)
		}
		time.Sleep(time.Second)
		arn := b.arn(deadLetters)
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.must(err)
		time.Sleep(2 * time.Second)
		b.counts(deadLetters, "0", "0", "0")
		moved := b.poll(source, 1)
		equal(b, "moved", len(moved), 3)
		for _, message := range moved {
			equal(b, "receive count", message.Attributes["ApproximateReceiveCount"], "1")
			if slices.Contains(ids, *message.MessageId) {
				b.Error("a moved message has kept its id")
			}
		}
		task := b.latestTask(arn)
		equal(b, "status", *task.Status, "COMPLETED")
		equal(b, "moved by the task", task.ApproximateNumberOfMessagesMoved, 3)
		equal(b, "handle of an ended task", aws.ToString(task.TaskHandle), "")
	}},
	{Name: "move tasks/what stays and what is new", Lasts: 4 * time.Second, Run: func(b *bench) {
		source, deadLetters := b.pair("1", map[string]string{"VisibilityTimeout": "0"})
		b.sendInput(&sqs.SendMessageInput{
			QueueUrl: &source, MessageBody: aws.String("grüße 🧾"), MessageGroupId: aws.String("cus_1"),
			MessageAttributes: map[string]types.MessageAttributeValue{"event_id": text("ev_1")},
		})
		before := b.one(source)
		b.none(source)
		time.Sleep(2 * time.Second)
		arn := b.arn(deadLetters)
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.must(err)
		time.Sleep(2 * time.Second)
		after := b.one(source)
		equal(b, "body", *after.Body, "grüße 🧾")
		equal(b, "group", after.Attributes["MessageGroupId"], "cus_1")
		equal(b, "attribute", aws.ToString(after.MessageAttributes["event_id"].StringValue), "ev_1")
		if after.Attributes["SentTimestamp"] <= before.Attributes["SentTimestamp"] {
			b.Errorf("sent at %s, first at %s", after.Attributes["SentTimestamp"], before.Attributes["SentTimestamp"])
		}
	}},
	{Name: "move tasks/retention starts again", Lasts: 2 * time.Minute, Run: func(b *bench) {
		deadLetters := b.queue(nil)
		attributes := redrive(b.arn(deadLetters), "1")
		attributes["VisibilityTimeout"], attributes["MessageRetentionPeriod"] = "0", "60"
		source := b.queue(attributes)
		b.send(source, "x")
		b.one(source)
		b.none(source)
		time.Sleep(50 * time.Second)
		arn := b.arn(deadLetters)
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.must(err)
		time.Sleep(50 * time.Second)
		b.counts(source, "1", "0", "0")
		time.Sleep(12 * time.Second)
		b.counts(source, "0", "0", "0")
	}},
	{Name: "move tasks/what is in flight stays", Lasts: 2 * time.Second, Run: func(b *bench) {
		source, deadLetters := b.deadPair(3)
		b.receiveInput(&sqs.ReceiveMessageInput{QueueUrl: &deadLetters, WaitTimeSeconds: 1})
		arn := b.arn(deadLetters)
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.must(err)
		time.Sleep(2 * time.Second)
		b.counts(deadLetters, "0", "1", "0")
		b.counts(source, "2", "0", "0")
		task := b.latestTask(arn)
		equal(b, "to move", aws.ToInt64(task.ApproximateNumberOfMessagesToMove), 2)
		equal(b, "moved", task.ApproximateNumberOfMessagesMoved, 2)
	}},
	{Name: "move tasks/are listed, the latest first", Lasts: 36 * time.Second, Run: func(b *bench) {
		_, deadLetters := b.deadPair(3)
		arn := b.arn(deadLetters)
		for range 12 {
			destination := b.arn(b.queue(nil))
			_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &destination})
			b.must(err)
			time.Sleep(3 * time.Second)
		}
		list := func(most int32) (started []int64) {
			b.Helper()
			listed, err := b.client.ListMessageMoveTasks(b.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn, MaxResults: &most})
			b.must(err)
			for _, task := range listed.Results {
				equal(b, "status", *task.Status, "COMPLETED")
				equal(b, "source", *task.SourceArn, arn)
				started = append(started, -task.StartedTimestamp)
			}
			return started
		}
		all := list(10)
		equal(b, "listed", len(all), 10)
		if !slices.IsSorted(all) {
			b.Errorf("started %v", all)
		}
		if latest := list(3); !slices.Equal(latest, all[:3]) {
			b.Errorf("the latest three are %v of %v", latest, all)
		}
		for _, most := range []int32{0, 11} {
			_, err := b.client.ListMessageMoveTasks(b.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn, MaxResults: &most})
			b.refused(err)
		}
	}},
	{Name: "move tasks/to a destination at a rate, until cancelled", Lasts: 3 * time.Second, Run: func(b *bench) {
		_, deadLetters := b.deadPair(10)
		destination := b.queue(nil)
		arn, destinationARN := b.arn(deadLetters), b.arn(destination)
		started, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{
			SourceArn: &arn, DestinationArn: &destinationARN, MaxNumberOfMessagesPerSecond: aws.Int32(2),
		})
		b.must(err)
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.refused(err)
		time.Sleep(2100 * time.Millisecond)
		task := b.latestTask(arn)
		equal(b, "status", *task.Status, "RUNNING")
		equal(b, "handle", aws.ToString(task.TaskHandle), *started.TaskHandle)
		equal(b, "destination", aws.ToString(task.DestinationArn), destinationARN)
		equal(b, "rate", aws.ToInt32(task.MaxNumberOfMessagesPerSecond), 2)
		equal(b, "to move", aws.ToInt64(task.ApproximateNumberOfMessagesToMove), 10)
		cancelled, err := b.client.CancelMessageMoveTask(b.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: started.TaskHandle})
		b.must(err)
		if moved := cancelled.ApproximateNumberOfMessagesMoved; moved < 2 || moved > 6 {
			b.Errorf("%d messages were moved in two seconds at two a second", moved)
		}
		time.Sleep(time.Second)
		equal(b, "moved in the end", int64(len(b.poll(destination, 1))), cancelled.ApproximateNumberOfMessagesMoved)
		equal(b, "status", *b.latestTask(arn).Status, "CANCELLED")
		_, err = b.client.CancelMessageMoveTask(b.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: started.TaskHandle})
		b.refused(err)
	}},
	{Name: "move tasks/what is refused", Run: func(b *bench) {
		_, deadLetters := b.pair("1", nil)
		arn, missing, plain := b.arn(deadLetters), b.arn(deadLetters)+"-missing", b.arn(b.queue(nil))
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &plain})
		b.refused(err)
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &missing})
		fails[*types.ResourceNotFoundException](b, err)
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &missing})
		fails[*types.ResourceNotFoundException](b, err)
		for _, rate := range []int32{0, 501} {
			_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn, MaxNumberOfMessagesPerSecond: &rate})
			b.refused(err)
		}
		_, err = b.client.CancelMessageMoveTask(b.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: aws.String("garbage")})
		b.refused(err)
		_, err = b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &arn})
		b.refused(err)
		_, err = b.client.ListMessageMoveTasks(b.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &missing})
		fails[*types.ResourceNotFoundException](b, err)
	}},
	{Name: "move tasks/a message without a source", Lasts: time.Second, Run: func(b *bench) {
		_, deadLetters := b.pair("1", nil)
		b.send(deadLetters, "sent here")
		arn := b.arn(deadLetters)
		_, err := b.client.StartMessageMoveTask(b.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		b.must(err)
		time.Sleep(time.Second)
		task := b.latestTask(arn)
		equal(b, "status", *task.Status, "FAILED")
		equal(b, "reason", aws.ToString(task.FailureReason), "CouldNotDetermineMessageSource")
		b.counts(deadLetters, "1", "0", "0")
	}},
}
