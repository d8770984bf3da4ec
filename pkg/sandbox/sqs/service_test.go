package sqs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// bench is a service with one queue and AWS's client of it.
type bench struct {
	*testing.T
	service *sqs.Service
	client  *awssqs.Client
	url     *string
}

func newBench(t *testing.T, config sqs.Config, attributes map[string]string) bench {
	t.Helper()
	service := sqs.New(config)
	b := bench{T: t, service: service, client: client(service)}
	created, err := b.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: attributes})
	b.must(err)
	b.url = created.QueueUrl
	return b
}

func (b bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bench) send(body string) string {
	b.Helper()
	sent, err := b.client.SendMessage(b.Context(), &awssqs.SendMessageInput{QueueUrl: b.url, MessageBody: &body})
	b.must(err)
	return *sent.MessageId
}

func (b bench) receive(most, wait int32) ([]types.Message, error) {
	received, err := b.client.ReceiveMessage(b.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: b.url, MaxNumberOfMessages: most, WaitTimeSeconds: wait,
	})
	if err != nil {
		return nil, err
	}
	return received.Messages, nil
}

func (b bench) delete(handle *string) error {
	_, err := b.client.DeleteMessage(b.Context(), &awssqs.DeleteMessageInput{QueueUrl: b.url, ReceiptHandle: handle})
	return err
}

// call makes a raw call with a JSON input, in which QUEUE stands for the URL.
func (b bench) call(operation, input string) (status int, output map[string]any, header http.Header) {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(strings.ReplaceAll(input, "QUEUE", *b.url)))
	request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	answer := httptest.NewRecorder()
	b.service.ServeHTTP(answer, request)
	b.must(json.Unmarshal(answer.Body.Bytes(), &output))
	return answer.Code, output, answer.Header()
}

func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, operation, input string
		status                 int
		shape, code            string
	}{
		{"no queue", "SendMessage", `{"QueueUrl":"QUEUE-missing","MessageBody":"x"}`, 400,
			"com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		{"no queue URL", "SendMessage", `{"MessageBody":"x"}`, 400,
			"com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"queue URL that is none", "DeleteQueue", `{"QueueUrl":"events"}`, 404,
			"com.amazonaws.sqs#InvalidAddress", "InvalidAddress;Sender"},
		{"garbage handle", "DeleteMessage", `{"QueueUrl":"QUEUE","ReceiptHandle":"x"}`, 404,
			"com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid;Sender"},
		{"no JSON", "SendMessage", `{`, 400,
			"com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"invalid UTF-8", "SendMessage", "{\"QueueUrl\":\"QUEUE\",\"MessageBody\":\"\xff\"}", 400,
			"com.amazon.coral.service#SerializationException", "MalformedInput;Sender"},
		{"zero messages", "ReceiveMessage", `{"QueueUrl":"QUEUE","MaxNumberOfMessages":0}`, 400,
			"com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"unknown system attribute", "ReceiveMessage", `{"QueueUrl":"QUEUE","MessageSystemAttributeNames":["Colour"]}`, 400,
			"com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName;Sender"},
		{"two values", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"x","BinaryValue":"eA=="}}}`, 400,
			"com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"no body", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":""}`, 400,
			"com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"a delay too long", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"x","DelaySeconds":901}`, 400,
			"com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"a timeout too long", "ChangeMessageVisibility", `{"QueueUrl":"QUEUE","ReceiptHandle":"x","VisibilityTimeout":43201}`, 400,
			"com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"a queue's name", "CreateQueue", `{"QueueName":"with space"}`, 400,
			"com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"visibility without a timeout", "ChangeMessageVisibility", `{"QueueUrl":"QUEUE","ReceiptHandle":"x"}`, 400,
			"com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"unknown operation", "Fly", `{}`, 400,
			"com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender"},
		{"FIFO queue", "CreateQueue", `{"QueueName":"fifo","Attributes":{"FifoQueue":"true"}}`, 400,
			"com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName;Sender"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, sqs.Config{}, nil)
			status, output, header := b.call(test.operation, test.input)
			if status != test.status || output["__type"] != test.shape || header.Get("X-Amzn-Query-Error") != test.code {
				t.Errorf("answered %d %v %q, want %d %s %q", status, output, header.Get("X-Amzn-Query-Error"), test.status, test.shape, test.code)
			}
			if len(b.service.Messages("events")) != 0 {
				t.Error("a refused message is there")
			}
		})
	}
}

// The Go SDK leaves out a zero, other SDKs send it.
func TestExplicitZeroesGoBeforeTheQueuesDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, map[string]string{"DelaySeconds": "9", "ReceiveMessageWaitTimeSeconds": "9"})
		start := time.Now()
		b.call("ReceiveMessage", `{"QueueUrl":"QUEUE","WaitTimeSeconds":0}`)
		if took := time.Since(start); took != 0 {
			t.Errorf("the poll waited for %s", took)
		}
		b.call("SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"x","DelaySeconds":0}`)
		_, output, _ := b.call("ReceiveMessage", `{"QueueUrl":"QUEUE","VisibilityTimeout":0,"WaitTimeSeconds":0}`)
		if messages, _ := output["Messages"].([]any); len(messages) != 1 {
			t.Errorf("received %v", output)
		}
		if state := b.service.Messages("events")[0].State; state != sqs.Visible {
			t.Errorf("the message is %s", state)
		}
	})
}

func TestTheClockIsInjected(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	b := newBench(t, sqs.Config{Now: func() time.Time { return now }}, nil)
	b.send("x")
	if at := b.service.Messages("events")[0].SentAt; !at.Equal(now) {
		t.Errorf("sent at %s", at)
	}
	now = now.Add(4*24*time.Hour - time.Second)
	if got, err := b.receive(1, 0); err != nil || len(got) != 1 {
		t.Errorf("received %d messages, %v", len(got), err)
	}
	now = now.Add(time.Second)
	if left := b.service.Messages("events"); len(left) != 0 {
		t.Errorf("left after four days are %v", left)
	}
}

func TestMessagesForReconciliation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{}, nil)
		first := b.send("first")
		if got, err := b.receive(1, 0); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		_, err := b.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: b.url, MessageBody: aws.String("second"), MessageGroupId: aws.String("g"), DelaySeconds: 1,
			MessageAttributes: map[string]types.MessageAttributeValue{
				"a": {DataType: aws.String("Number"), StringValue: aws.String("1")},
				"b": {DataType: aws.String("Binary"), BinaryValue: []byte("bytes")},
			},
		})
		b.must(err)
		got := b.service.Messages("events")
		if len(got) != 2 {
			t.Fatalf("messages are %v", got)
		}
		if m := got[0]; m.ID != first || m.Body != "first" || m.State != sqs.InFlight || m.ReceiveCount != 1 {
			t.Errorf("the first is %+v", m)
		}
		if m := got[1]; m.State != sqs.Delayed || m.GroupID != "g" || m.Attributes["a"] != "1" || m.Attributes["b"] != "bytes" || m.ReceiveCount != 0 {
			t.Errorf("the second is %+v", m)
		}
		time.Sleep(30 * time.Second)
		for _, m := range b.service.Messages("events") {
			if m.State != sqs.Visible {
				t.Errorf("%s is %s", m.Body, m.State)
			}
		}
		if b.service.Messages("none") != nil {
			t.Error("a missing queue has messages")
		}
	})
}

func TestTheSeedDeterminesIDs(t *testing.T) {
	t.Parallel()
	id := func(seed uint64) string { return newBench(t, sqs.Config{Seed: seed}, nil).send("x") }
	first := id(1)
	if id(1) != first {
		t.Error("one seed gives two ids")
	}
	if id(2) == first {
		t.Error("two seeds give one id")
	}
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sqs.Config{MaxInFlight: 3}, nil)
		for range 5 {
			b.send("x")
		}
		got, err := b.receive(10, 0)
		b.must(err)
		if len(got) != 3 {
			t.Fatalf("received %d messages", len(got))
		}
		_, err = b.receive(10, 0)
		wantError[*types.OverLimit](t, err)

		start := time.Now()
		if more, err := b.receive(10, 5); err != nil || len(more) != 0 {
			t.Errorf("a long poll received %d messages, %v", len(more), err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the long poll took %s", took)
		}

		go func() {
			time.Sleep(2 * time.Second)
			if err := b.delete(got[0].ReceiptHandle); err != nil {
				t.Error(err)
			}
		}()
		start = time.Now()
		if more, err := b.receive(10, 5); err != nil || len(more) != 1 {
			t.Errorf("a long poll received %d messages, %v", len(more), err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the long poll took %s", took)
		}
	})
}
