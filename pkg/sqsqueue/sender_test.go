package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// fakeClient is a client whose batches the test answers.
type fakeClient struct {
	sqsqueue.Client

	send func(batch []types.SendMessageBatchRequestEntry) (*awssqs.SendMessageBatchOutput, error)
}

func (f fakeClient) SendMessageBatch(_ context.Context, input *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	return f.send(input.Entries)
}

// sendAll sends bodies at once and returns the error of each.
func sendAll(t *testing.T, sender *sqsqueue.Sender, limit time.Duration, bodies ...string) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	errs := make([]error, len(bodies))
	var callers sync.WaitGroup
	for i, body := range bodies {
		callers.Go(func() {
			var id string
			id, errs[i] = sender.Send(ctx, queue.Message{Body: []byte(body)})
			if (id == "") != (errs[i] != nil) {
				t.Errorf("id %q with %v", id, errs[i])
			}
		})
		synctest.Wait()
	}
	callers.Wait()
	return errs
}

func TestSender_KeepsTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		observed := &tally{}
		sender := sqsqueue.NewSender(b.client, b.url, observed)
		attributes := map[string]string{"event_id": "ev_1", "invoice_id": "ü ", "empty": ""}
		body := []byte("{ \"a\" : 1.0 }\r\n")
		id, err := sender.Send(t.Context(), queue.Message{Body: body, Attributes: attributes, GroupID: "cust_1"})
		if err != nil {
			t.Fatal(err)
		}
		stored := b.stored()
		delete(attributes, "empty")
		if len(stored) != 1 || stored[0].ID != id || stored[0].Body != string(body) || stored[0].GroupID != "cust_1" || !maps.Equal(stored[0].Attributes, attributes) {
			t.Errorf("stored: %+v, id %s", stored, id)
		}
		if !slices.Equal(observed.batches, []int{1}) || observed.failed != nil {
			t.Errorf("observed: %+v", observed)
		}
	})
}

func TestSender_GroupIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hashed = 64
		for _, test := range []struct {
			customer string
			length   int
		}{
			{"", 0},
			{"AzyQ2bT", 7},
			{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", 32},
			{strings.Repeat("x", 128), 128},
			{strings.Repeat("x", 129), hashed},
			{"two words", hashed},
			{"müller", hashed},
			{"a\x7f", hashed},
		} {
			b := newBench(t)
			sender := sqsqueue.NewSender(b.client, b.url, nil)
			if _, err := sender.Send(t.Context(), queue.Message{Body: []byte("x"), GroupID: test.customer}); err != nil {
				t.Errorf("%q: %v", test.customer, err)
				continue
			}
			group := b.stored()[0].GroupID
			if len(group) != test.length || test.length != hashed && group != test.customer {
				t.Errorf("%q became %q", test.customer, group)
			}
		}
	})
}

// One batch of ten of which every second entry fails: the others are answered, these
// are sent again.
func TestSender_RetriesFailedEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		observed := &tally{}
		sender := sqsqueue.NewSender(b.client, b.url, observed)
		bodies := make([]string, 11)
		for i := range bodies {
			bodies[i] = fmt.Sprint(i)
		}
		b.meet(func(call int) sandbox.Fault {
			fault := sandbox.Fault{Delay: 20 * time.Millisecond}
			if call == 2 {
				fault.Kind = sandbox.Partial
			}
			return fault
		})
		for i, err := range sendAll(t, sender, 5*time.Second, bodies...) {
			if err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
		var stored []string
		for _, message := range b.stored() {
			stored = append(stored, message.Body)
		}
		slices.Sort(stored)
		slices.Sort(bodies)
		if !slices.Equal(stored, bodies) {
			t.Errorf("stored: %v", stored)
		}
		if observed.failed[sqsqueue.ClassUnavailable] != 5 || len(observed.failed) != 1 {
			t.Errorf("failed: %v", observed.failed)
		}
		if first := slices.Sorted(slices.Values(observed.batches[:2])); !slices.Equal(first, []int{1, 10}) {
			t.Errorf("batches: %v", observed.batches)
		}
	})
}

func TestSender_RetriesFailedBatches(t *testing.T) {
	t.Parallel()
	for kind, class := range map[sandbox.Kind]string{
		sandbox.Throttle:  sqsqueue.ClassThrottled,
		sandbox.Refuse:    sqsqueue.ClassUnavailable,
		sandbox.LoseReply: sqsqueue.ClassUnavailable,
		sandbox.CutBody:   sqsqueue.ClassUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.meetAt(kind, 1, 2)
			observed := &tally{}
			sender := sqsqueue.NewSender(b.client, b.url, observed)
			if errs := sendAll(t, sender, 5*time.Second, "x"); errs[0] != nil {
				t.Errorf("fault %d: %v", kind, errs[0])
			}
			if b.called() != 3 || observed.failed[class] != 2 || len(observed.failed) != 1 {
				t.Errorf("fault %d: %d calls, failed: %v", kind, b.called(), observed.failed)
			}

			// One that lasts is reported before the deadline.
			b.meetAlways(sandbox.Fault{Kind: kind})
			started := time.Now()
			errs := sendAll(t, sender, 5*time.Second, "x")
			if took := time.Since(started); !errors.Is(errs[0], sqsqueue.ErrUnavailable) || took > 5*time.Second || b.called() < 5 {
				t.Errorf("fault %d: %v after %s and %d calls", kind, errs[0], took, b.called())
			}
		})
	}
}

func TestSender_TimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.meetAlways(sandbox.Fault{Delay: 20 * time.Second})
		observed := &tally{}
		sender := sqsqueue.NewSender(b.client, b.url, observed)
		started := time.Now()
		errs := sendAll(t, sender, 5*time.Second, "x")
		if took := time.Since(started); took != 5*time.Second || !errors.Is(errs[0], sqsqueue.ErrUnavailable) || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("%v after %s", errs[0], took)
		}
		if err := sender.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if observed.failed[sqsqueue.ClassTimeout] != 3 {
			t.Errorf("failed: %v", observed.failed)
		}
		time.Sleep(time.Minute) // the fake finishes abandoned calls
	})
}

func TestSender_PermanentErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		observed := &tally{}
		sender := sqsqueue.NewSender(b.client, b.url+"-of-another-name", observed)
		errs := sendAll(t, sender, 5*time.Second, "x")
		if !errors.Is(errs[0], sqsqueue.ErrUnavailable) || b.called() != 1 || observed.failed[sqsqueue.ClassDenied] != 1 {
			t.Errorf("no such queue: %v, %d calls, failed: %v", errs[0], b.called(), observed.failed)
		}
	})
}

// Other credentials follow those that have expired.
func TestSender_ExpiredTokenIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		sender := sqsqueue.NewSender(fakeClient{send: func(batch []types.SendMessageBatchRequestEntry) (*awssqs.SendMessageBatchOutput, error) {
			if calls++; calls == 1 {
				return nil, clientError(403, &smithy.GenericAPIError{Code: "ExpiredToken"})
			}
			return &awssqs.SendMessageBatchOutput{Successful: []types.SendMessageBatchResultEntry{{Id: batch[0].Id, MessageId: aws.String("id")}}}, nil
		}}, "url", nil)
		if errs := sendAll(t, sender, 5*time.Second, "x"); errs[0] != nil {
			t.Error(errs[0])
		}
	})
}

// A refused entry fails alone, whether SQS refuses the entry or
// the batch.
func TestSender_RefusedEntryFailsAlone(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func([]types.SendMessageBatchRequestEntry, *awssqs.SendMessageBatchOutput) error{
		"by entry": func(batch []types.SendMessageBatchRequestEntry, output *awssqs.SendMessageBatchOutput) error {
			output.Successful = slices.DeleteFunc(output.Successful, func(entry types.SendMessageBatchResultEntry) bool {
				bad := *entry.MessageId == "id of bad"
				if bad {
					output.Failed = append(output.Failed, types.BatchResultErrorEntry{Id: entry.Id, Code: aws.String("InvalidMessageContents"), SenderFault: true})
				}
				return bad
			})
			return nil
		},
		"by batch": func(batch []types.SendMessageBatchRequestEntry, _ *awssqs.SendMessageBatchOutput) error {
			for _, entry := range batch {
				if *entry.MessageBody == "bad" {
					return clientError(400, &types.InvalidMessageContents{})
				}
			}
			return nil
		},
		"by length": func(batch []types.SendMessageBatchRequestEntry, _ *awssqs.SendMessageBatchOutput) error {
			if len(batch) > 1 || *batch[0].MessageBody == "bad" {
				return clientError(400, &types.BatchRequestTooLong{})
			}
			return nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var taken []string
			observed := &tally{}
			sender := sqsqueue.NewSender(fakeClient{send: func(batch []types.SendMessageBatchRequestEntry) (*awssqs.SendMessageBatchOutput, error) {
				time.Sleep(20 * time.Millisecond)
				output := &awssqs.SendMessageBatchOutput{}
				for _, entry := range batch {
					output.Successful = append(output.Successful, types.SendMessageBatchResultEntry{Id: entry.Id, MessageId: aws.String("id of " + *entry.MessageBody)})
				}
				err := refuse(batch, output)
				if err == nil {
					for _, entry := range output.Successful {
						taken = append(taken, *entry.MessageId)
					}
				}
				return output, err
			}}, "url", observed)
			errs := sendAll(t, sender, 5*time.Second, "first", "good", "bad", "fine")
			for i, err := range errs {
				if errors.Is(err, sqsqueue.ErrRefused) != (i == 2) || i != 2 && err != nil {
					t.Errorf("%s: entry %d: %v", name, i, err)
				}
			}
			if want := []string{"id of first", "id of good", "id of fine"}; !slices.Equal(taken, want) {
				t.Errorf("%s: taken: %v", name, taken)
			}
			if observed.failed[sqsqueue.ClassRefused] != 1 || len(observed.failed) != 1 {
				t.Errorf("%s: failed: %v", name, observed.failed)
			}
		})
	}
}

// Some emulators answer a batch with nothing at all.
func TestSender_MissingEntryIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sender := sqsqueue.NewSender(fakeClient{send: func([]types.SendMessageBatchRequestEntry) (*awssqs.SendMessageBatchOutput, error) {
			return &awssqs.SendMessageBatchOutput{}, nil
		}}, "url", nil)
		if errs := sendAll(t, sender, time.Second, "x"); !errors.Is(errs[0], sqsqueue.ErrUnavailable) {
			t.Error(errs[0])
		}
	})
}

func TestSender_LimitsBatchSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.meetAlways(sandbox.Fault{Delay: 20 * time.Millisecond})
		observed := &tally{}
		sender := sqsqueue.NewSender(b.client, b.url, observed)
		large := strings.Repeat("x", 400_000)
		for i, err := range sendAll(t, sender, 5*time.Second, "first", large, large, large, large+large+large[:248_576], "last") {
			if err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
		if len(b.stored()) != 6 || observed.failed != nil {
			t.Errorf("%d stored, failed: %v", len(b.stored()), observed.failed)
		}
	})
}

func TestSender_Closed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sender := sqsqueue.NewSender(b.client, b.url, nil)
		if err := sender.Alive(); err != nil {
			t.Error(err)
		}
		if err := sender.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if errs := sendAll(t, sender, time.Second, "x"); !errors.Is(errs[0], sqsqueue.ErrClosed) {
			t.Error(errs[0])
		}
	})
}
