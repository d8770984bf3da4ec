package sqs_test

import (
	"errors"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// withFault is a bench on which calls of one operation meet a fault.
func withFault(t *testing.T, operation string, fault sandbox.Fault) bench {
	t.Helper()
	return newBench(t, sqs.Config{Faults: sandbox.FaultFunc(func(called string) sandbox.Fault {
		if called == operation {
			return fault
		}
		return sandbox.Fault{}
	})}, nil)
}

func (b bench) stored() int { return len(b.service.Messages("events")) }

func (b bench) trySend() error {
	_, err := b.client.SendMessage(b.Context(), &awssqs.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x")})
	return err
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.Throttle})
	wantError[*types.RequestThrottled](t, b.trySend())
	if b.stored() != 0 {
		t.Error("a throttled message was stored")
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.Refuse})
	var refused smithy.APIError
	if err := b.trySend(); !errors.As(err, &refused) || refused.ErrorCode() != "InternalFailure" || refused.ErrorFault() != smithy.FaultServer {
		t.Errorf("the error is %v", err)
	}
	if b.stored() != 0 {
		t.Error("a refused message was stored")
	}
}

func TestLoseReply(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.LoseReply})
	if err := b.trySend(); !errors.Is(err, sandbox.ErrConnectionCut) {
		t.Errorf("the error is %v", err)
	}
	if b.stored() != 1 {
		t.Error("the message was not stored")
	}
}

func TestApplyLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.ApplyLate, Late: time.Minute})
		if err := b.trySend(); !errors.Is(err, sandbox.ErrConnectionCut) {
			t.Errorf("the error is %v", err)
		}
		if b.stored() != 0 {
			t.Error("the message was stored at once")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.stored() != 1 {
			t.Error("the message was not stored late")
		}
	})
}

func TestCutBody(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.CutBody})
	if err := b.trySend(); !errors.Is(err, sandbox.ErrConnectionCut) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %v", err)
	}
	if b.stored() != 1 {
		t.Error("the message was not stored")
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessageBatch", sandbox.Fault{Kind: sandbox.Partial})
	entries := make([]types.SendMessageBatchRequestEntry, 5)
	for i := range entries {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String("x")}
	}
	sent, err := b.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: b.url, Entries: entries})
	b.must(err)
	if len(sent.Successful) != 2 || len(sent.Failed) != 3 || b.stored() != 2 {
		t.Fatalf("%d successful, %d failed, %d stored", len(sent.Successful), len(sent.Failed), b.stored())
	}
	for _, failed := range sent.Failed {
		if failed.SenderFault || *failed.Code != "InternalError" {
			t.Errorf("failed as %v", failed)
		}
	}
}

func TestPartialDelete(t *testing.T) {
	t.Parallel()
	b := withFault(t, "DeleteMessageBatch", sandbox.Fault{Kind: sandbox.Partial})
	b.send("x")
	got, err := b.receive(1, 0)
	b.must(err)
	deleted, err := b.client.DeleteMessageBatch(t.Context(), &awssqs.DeleteMessageBatchInput{
		QueueUrl: b.url,
		Entries:  []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: got[0].ReceiptHandle}},
	})
	b.must(err)
	if len(deleted.Failed) != 1 || b.stored() != 1 {
		t.Errorf("%d failed, %d stored", len(deleted.Failed), b.stored())
	}
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "ReceiveMessage", sandbox.Fault{Kind: sandbox.Duplicate})
		b.send("x")
		first, err := b.receive(10, 0)
		b.must(err)
		if len(first) != 1 {
			t.Fatalf("one call received %d messages", len(first))
		}
		second, err := b.receive(10, 20)
		b.must(err)
		if len(second) != 1 || *second[0].MessageId != *first[0].MessageId || *second[0].ReceiptHandle == *first[0].ReceiptHandle {
			t.Fatalf("received %v, then %v", first, second)
		}
		b.must(b.delete(first[0].ReceiptHandle))
		if b.stored() != 1 {
			t.Error("the handle of the first delivery has deleted the second")
		}
		b.must(b.delete(second[0].ReceiptHandle))
		if b.stored() != 0 {
			t.Error("the message is still there")
		}
	})
}

func TestDuplicateForAWaitingPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "ReceiveMessage", sandbox.Fault{Kind: sandbox.Duplicate})
		received := make(chan int)
		for range 2 {
			go func() {
				got, _ := b.receive(1, 20)
				received <- len(got)
			}()
		}
		synctest.Wait()
		b.send("x")
		if total := <-received + <-received; total != 2 {
			t.Errorf("one message was delivered %d times", total)
		}
	})
}
