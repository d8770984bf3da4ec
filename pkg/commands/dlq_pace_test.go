package commands_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// watched is a standard error that calls a function at the first occurrence of a text.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wants string
	met   func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(p)
	if strings.Contains(w.text.String(), w.wants) {
		w.met()
	}
	return n, err
}

// A replay waits and reports why. An interrupt ends it, with the result so far and all other dead letters
// still in the queue.
func TestReplay_WhilePaused(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 30)
	d.must("pause", "--reason", "month end", "--yes")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout bytes.Buffer
	stderr := &watched{wants: "processed: 0, waiting: calls to Chargebee are paused by an operator (month end)", met: interrupt}
	code := commands.Main(ctx, cli.Process{Args: []string{"dlq", "replay", "--yes"}, Environ: d.environ, Stdout: &stdout, Stderr: stderr})
	if code != 1 || !strings.Contains(stdout.String(), "No matching dead letters") || !strings.Contains(stderr.text.String(), "run again") {
		t.Errorf("exit code %d, %s\n%s", code, &stdout, &stderr.text)
	}
	if got := len(queues.Messages(d.name)); got != 0 {
		t.Errorf("%d letters went back", got)
	}
	for _, message := range queues.Messages(d.name + "_dead") {
		if message.State != sqs.Visible || message.ReceiveCount != 1 {
			t.Fatalf("a letter is %v after %d receives", message.State, message.ReceiveCount)
		}
	}

	d.must("resume", "--yes")
	if got := d.must("dlq", "replay", "--yes"); !strings.Contains(got, "replayed     30") {
		t.Errorf("after it: %s", got)
	}
}

// Type, group and body are kept too.
func TestReplay_KeepsAttributes(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	_, err := d.sqs.SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: aws.String(d.deadURL()), MessageBody: aws.String("x"), MessageGroupId: aws.String("cust_1"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"sum":    {DataType: aws.String("Number.cents"), StringValue: aws.String("7")},
			"raw":    {DataType: aws.String("Binary"), BinaryValue: []byte{0, 0xff}},
			"reason": {DataType: aws.String("String"), StringValue: aws.String("unreadable_message")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.must("dlq", "replay", "--yes")
	received, err := d.sqs.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &d.queueURL, MessageAttributeNames: []string{"All"}})
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("%v, %v", received, err)
	}
	got := received.Messages[0].MessageAttributes
	if len(got) != 3 || *got["sum"].DataType != "Number.cents" || *got["sum"].StringValue != "7" || string(got["raw"].BinaryValue) != "\x00\xff" || *got["replay_count"].StringValue != "1" {
		t.Errorf("got %v", got)
	}
	if queues.Messages(d.name)[0].GroupID != "cust_1" {
		t.Error("the group is lost")
	}
}

// A message that the move task of SQS returned is handled, and becomes a dead letter that can be replayed.
func TestReplay_AfterRedriveBySQS(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	destination := "arn:aws:sqs:eu-central-1:000000000000:" + d.name
	arn := destination + "_dead"
	_, err := d.sqs.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &d.queueURL, Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":1000}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.sendDeadLetter("no JSON")
	before := queues.Messages(d.name + "_dead")[0]
	if _, err := d.sqs.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: &arn, DestinationArn: &destination}); err != nil {
		t.Fatal(err)
	}
	r := d.start()
	r.await(t, "message handled")
	d.eventually(func() bool { return len(queues.Messages(d.name+"_dead")) == 1 }, "it is a dead letter again")
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	after := queues.Messages(d.name + "_dead")[0]
	if after.ID == before.ID || after.Attributes["reason"] != "unreadable_message" || after.Attributes["replay_count"] != "" || after.Attributes["theirs"] != "7" {
		t.Errorf("it became %+v", after)
	}
	if got := d.must("dlq", "replay", "--yes"); !strings.Contains(got, "replayed      1") {
		t.Errorf("a replay: %s", got)
	}
	if got := queues.Messages(d.name); len(got) != 1 || got[0].Attributes["replay_count"] != "1" || got[0].Attributes["reason"] != "" {
		t.Errorf("it went back as %+v", got)
	}
}
