package sqs_test

import (
	"context"
	"errors"
	"io"
	"slices"
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

// withFault returns a bench on which calls of one operation meet a fault.
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

// The choice of a fault has a bit for each entry.
func TestPartialByChoice(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessageBatch", sandbox.Fault{Kind: sandbox.Partial, Choice: 0b0110})
	entries := make([]types.SendMessageBatchRequestEntry, 4)
	for i := range entries {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strconv.Itoa(i))}
	}
	sent, err := b.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: b.url, Entries: entries})
	b.must(err)
	var failed string
	for _, entry := range sent.Failed {
		failed += *entry.Id
	}
	if failed != "12" || b.stored() != 2 {
		t.Errorf("%s failed, %d are stored", failed, b.stored())
	}
}

func TestPartialVisibility(t *testing.T) {
	t.Parallel()
	b := withFault(t, "ChangeMessageVisibilityBatch", sandbox.Fault{Kind: sandbox.Partial})
	b.send("x")
	got, err := b.receive(1, 0)
	b.must(err)
	changed, err := b.client.ChangeMessageVisibilityBatch(t.Context(), &awssqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: b.url,
		Entries:  []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: got[0].ReceiptHandle}},
	})
	b.must(err)
	if len(changed.Failed) != 1 || b.service.Messages("events")[0].State != sqs.InFlight {
		t.Errorf("%d failed; the message is %s", len(changed.Failed), b.service.Messages("events")[0].State)
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

// The second delivery can come in the middle of the first one's time.
func TestDuplicateWhileInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		duplicate := true
		b := newBench(t, sqs.Config{Faults: sandbox.FaultFunc(func(called string) sandbox.Fault {
			if called != "ReceiveMessage" || !duplicate {
				return sandbox.Fault{}
			}
			duplicate = false
			return sandbox.Fault{Kind: sandbox.Duplicate, Late: 7 * time.Second}
		})}, nil)
		b.send("x")
		if got, err := b.receive(1, 0); err != nil || len(got) != 1 {
			t.Fatalf("received %d messages, %v", len(got), err)
		}
		start := time.Now()
		if got, err := b.receive(1, 20); err != nil || len(got) != 1 {
			t.Errorf("received %d messages, %v", len(got), err)
		}
		if after := time.Since(start); after != 7*time.Second {
			t.Errorf("delivered again after %s", after)
		}
		// Only once more: this receive keeps its timeout.
		if got, err := b.receive(1, 20); err != nil || len(got) != 0 {
			t.Errorf("received %d messages, %v", len(got), err)
		}
	})
}

// Messages come late, each in its own time, and so out of order.
func TestDeliverLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := map[string]bool{"SendMessage": true, "SendMessageBatch": true}
		b := newBench(t, sqs.Config{Faults: sandbox.FaultFunc(func(called string) sandbox.Fault {
			if late[called] {
				return sandbox.Fault{Kind: sandbox.DeliverLate, Late: 10 * time.Second}
			}
			return sandbox.Fault{}
		})}, nil)
		entries := make([]types.SendMessageBatchRequestEntry, 10)
		for i := range entries {
			entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strconv.Itoa(i))}
		}
		_, err := b.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: b.url, Entries: entries})
		b.must(err)
		b.send("single")
		start := time.Now()
		var bodies []string
		for len(bodies) < 11 {
			got, err := b.receive(10, 20)
			b.must(err)
			if len(got) == 0 {
				t.Fatalf("only %v came", bodies)
			}
			for _, message := range got {
				bodies = append(bodies, *message.Body)
			}
		}
		if slices.IsSorted(bodies) {
			t.Errorf("they came in order: %v", bodies)
		}
		if took := time.Since(start); took <= 0 || took > 10*time.Second {
			t.Errorf("the last one came after %s", took)
		}
	})
}

func TestEffectThenError(t *testing.T) {
	t.Parallel()
	b := withFault(t, "SendMessage", sandbox.Fault{Kind: sandbox.EffectThenError})
	var broken smithy.APIError
	if err := b.trySend(); !errors.As(err, &broken) || broken.ErrorFault() != smithy.FaultServer {
		t.Errorf("the error is %v", err)
	}
	if b.stored() != 1 {
		t.Error("the message was not stored")
	}
}

// Messages of a receive whose response was lost are in flight.
func TestLostReceive(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{sandbox.LoseReply, sandbox.CutBody, sandbox.EffectThenError} {
		b := withFault(t, "ReceiveMessage", sandbox.Fault{Kind: kind})
		b.send("x")
		if got, err := b.receive(1, 0); err == nil {
			t.Errorf("kind %d: received %v", kind, got)
		}
		if m := b.service.Messages("events")[0]; m.State != sqs.InFlight || m.ReceiveCount != 1 {
			t.Errorf("kind %d: the message is %+v", kind, m)
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "SendMessage", sandbox.Fault{Delay: time.Minute})
		// A caller that gives up meanwhile has sent the message.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x")})
		if !errors.Is(err, context.DeadlineExceeded) || b.stored() != 0 {
			t.Errorf("the error is %v, %d are stored", err, b.stored())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.stored() != 1 {
			t.Error("the message was not stored")
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
