package sqsqueue_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// theirs are attributes of every type, as another program may set them.
var theirs = map[string]types.MessageAttributeValue{
	"event_id":  {DataType: aws.String("String"), StringValue: aws.String("ev_1")},
	"their.sum": {DataType: aws.String("Number"), StringValue: aws.String("12.50")},
	"their.int": {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
	"their.xml": {DataType: aws.String("String.xml"), StringValue: aws.String("<a>ü</a>")},
	"their.bin": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 0xff, '"'}},
	"their.png": {DataType: aws.String("Binary.png"), BinaryValue: []byte("png")},
}

// receiveRaw is the one message of a queue, as the SDK shows it.
func (b *bench) receiveRaw() types.Message {
	b.Helper()
	received, err := b.client.ReceiveMessage(b.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &b.url, MessageAttributeNames: []string{"All"}})
	if err != nil || len(received.Messages) != 1 {
		b.Fatalf("%v, %v", received, err)
	}
	return received.Messages[0]
}

// TestAttributes_AllTypes survive a dead letter and a replay.
func TestAttributes_AllTypes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pass func(context.Context, *bench, queue.Message) error
		adds []string
	}{
		"a replay": {func(ctx context.Context, b *bench, message queue.Message) error {
			return sqsqueue.NewSender(b.client, b.url, nil).Redrive(ctx, message)
		}, []string{"replay_count"}},
		"a dead letter": {func(ctx context.Context, b *bench, message queue.Message) error {
			deadLetter := queue.FailedMessage{Message: message, Reason: "too_old", Detail: "d"}
			return sqsqueue.NewDeadLetters(b.client, b.url).Send(ctx, deadLetter)
		}, []string{"detail", "failed_at", "reason"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if _, err := b.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &b.url, MessageBody: aws.String("x"), MessageAttributes: theirs}); err != nil {
				t.Fatal(err)
			}
			message := b.receive(b.queue(), 1)[0]
			if !maps.Equal(message.Attributes, map[string]string{"event_id": "ev_1"}) || len(message.OtherAttributes) != 5 {
				t.Fatalf("received %+v", message)
			}
			if err := b.queue().Delete(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(message)
			if err := test.pass(t.Context(), b, message); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(message) != before {
				t.Error("the message itself was changed")
			}
			got := b.receiveRaw().MessageAttributes
			for _, name := range test.adds {
				if got[name].StringValue == nil {
					t.Errorf("it lacks %s", name)
				}
				delete(got, name)
			}
			if diff := cmp.Diff(theirs, got, cmpopts.IgnoreUnexported(types.MessageAttributeValue{})); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRedrive_LimitsAttributes: the count replaces event_type, which the body has, or
// the last attribute of other producers.
func TestRedrive_LimitsAttributes(t *testing.T) {
	t.Parallel()
	others := map[string]queue.Attribute{}
	for i := range 8 {
		others[fmt.Sprintf("theirs_%d", i)] = queue.Attribute{Type: "Number", Value: []byte("1")}
	}
	for name, test := range map[string]struct {
		strings map[string]string
		want    []string
	}{
		"nine":              {map[string]string{"event_id": "1"}, []string{"event_id", "replay_count", "theirs_0", "theirs_7"}},
		"ten, one to spare": {map[string]string{"event_id": "1", "event_type": "1"}, []string{"event_id", "replay_count", "theirs_0", "theirs_7"}},
		"ten":               {map[string]string{"event_id": "1", "invoice_id": "1"}, []string{"event_id", "invoice_id", "replay_count", "theirs_0", "theirs_6"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			deadLetter := queue.Message{ID: "m", Body: []byte("x"), Attributes: test.strings, OtherAttributes: others}
			if err := sqsqueue.NewSender(b.client, b.url, nil).Redrive(t.Context(), deadLetter); err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(b.receiveRaw().MessageAttributes))
			if len(got) != 10 {
				t.Errorf("it has %v", got)
			}
			// Of theirs, all between the first and the last that are named.
			got = slices.DeleteFunc(got, func(name string) bool { return name > "theirs_0" && name < test.want[len(test.want)-1] })
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// A replay_count of another type was set by another producer: the count starts again.
func TestRedrive_CountOfAnotherType(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	deadLetter := queue.Message{ID: "m", Body: []byte("x"), OtherAttributes: map[string]queue.Attribute{
		"replay_count": {Type: "Number", Value: []byte("4")}, "reason": {Type: "Binary", Value: []byte("x")},
	}}
	if err := sqsqueue.NewSender(b.client, b.url, nil).Redrive(t.Context(), deadLetter); err != nil {
		t.Fatal(err)
	}
	got := b.receiveRaw().MessageAttributes
	if len(got) != 1 || aws.ToString(got["replay_count"].StringValue) != "1" || aws.ToString(got["replay_count"].DataType) != "String" {
		t.Errorf("got %v", got)
	}
}
