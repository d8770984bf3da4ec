package settlement_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/worker"
)

// writesPerSecond is the number of small items of one partition key that transactions can
// write: it takes 1,000 units, and such a write costs two.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
const writesPerSecond = 500

// TestTwentyThousandEvents of one subscription are more than its partition takes at once.
// They are settled by one session, as fast as DynamoDB allows and under a lease that
// never expires, and reads of the ledger meanwhile show the progress.
func TestTwentyThousandEvents(t *testing.T) {
	unraced(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 20_000
		f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{PartitionWrites: writesPerSecond})
		f.writeMany("sub", "calls", "0.25", events)
		id, body := f.renew("sub")

		started := time.Now()
		mail := &mailbox{t: t, body: body, hidden: started, ended: make(chan struct{})}
		pool := &worker.Pool{
			Queue: mail, DeadLetters: mail, Handler: f.settler(nil), Observer: mail,
			Concurrency: 1, VisibilityTimeout: time.Minute, HeartbeatInterval: 20 * time.Second,
			DrainTimeout: time.Minute, SettleTimeout: time.Minute,
		}
		ctx, stop := context.WithCancel(t.Context())
		running := make(chan error)
		go func() { running <- pool.Run(ctx) }()

		seen, looks := 0, 0
		for working := true; working; {
			select {
			case <-mail.ended:
				working = false
				continue
			case <-time.After(5 * time.Second):
			}
			looks++
			shown, err := inspect.Show(t.Context(), f.store, id, false)
			if err != nil {
				t.Fatal(err)
			}
			if done := shown.Pages + shown.Settled; done <= seen && shown.Outcome == nil {
				t.Errorf("after %s it is still at %d pages claimed, %d settled", time.Since(started), shown.Pages, shown.Settled)
			} else {
				seen = done
			}
			if shown.Owner != nil && !shown.LeaseUntil.After(time.Now()) {
				t.Errorf("after %s the lease had run out", time.Since(started))
			}
			if shown.Generation != 1 || shown.Attempts > 1 {
				t.Errorf("after %s it is in generation %d, %d attempts", time.Since(started), shown.Generation, shown.Attempts)
			}
		}
		took := time.Since(started)
		stop()
		if err := <-running; err != nil {
			t.Error(err)
		}

		// Each event is written when it is claimed, and when it is billed.
		least := time.Duration(2*events/writesPerSecond) * time.Second
		if took < least || took > 2*least {
			t.Errorf("it took %s, DynamoDB lets nobody do it in less than %s", took, least)
		}
		if looks < int(least/(5*time.Second))-1 {
			t.Errorf("the ledger was looked at %d times", looks)
		}
		if record := f.head(id); record.Outcome != billing.Closed || record.Acquisitions != 1 || record.Attempts != 0 {
			t.Errorf("got %+v", record)
		}
		f.wantCalls("retrieve add_charge close")
		f.wantReconciled()
	})
}

// writeMany puts events into the table, no faster than it takes them.
func (f *fixture) writeMany(subscription, code, amount string, count int) {
	f.t.Helper()
	const batch = 25
	for written := 0; written < count; written += batch {
		if written%(writesPerSecond-batch) == 0 {
			time.Sleep(time.Second)
		}
		var puts []types.WriteRequest
		for range min(batch, count-written) {
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: f.event(subscription, code, amount)}})
		}
		output, err := f.sdk.BatchWriteItem(f.t.Context(), &awsdynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"events": puts}})
		if err != nil || len(output.UnprocessedItems) > 0 {
			f.t.Fatalf("%v, not written: %v", err, output)
		}
	}
	time.Sleep(time.Second)
}

// mailbox is a queue with one message, for a pool that must handle it once.
type mailbox struct {
	t      *testing.T
	body   []byte
	hidden time.Time // when it was last made invisible
	ended  chan struct{}
}

func (m *mailbox) Receive(ctx context.Context, _ int) ([]queue.Message, error) {
	if m.body == nil {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		return nil, nil
	}
	message := queue.Message{ID: "message", Body: m.body, SentAt: time.Now(), ReceiveCount: 1}
	m.body = nil
	return []queue.Message{message}, nil
}

func (m *mailbox) ChangeVisibility(_ context.Context, _ queue.Message, invisible time.Duration) error {
	if since := time.Since(m.hidden); since > invisible {
		m.t.Errorf("the message was visible: it was hidden %s ago", since)
	}
	m.hidden = time.Now()
	return nil
}

func (m *mailbox) Delete(context.Context, queue.Message) error { return nil }

func (m *mailbox) Send(_ context.Context, failed queue.FailedMessage) error {
	return errors.New(failed.Reason)
}

func (m *mailbox) Handled(_ queue.Message, outcome queue.Outcome, err error) {
	if outcome.Action != queue.Ack || err != nil {
		m.t.Errorf("got %+v, %v", outcome, err)
	}
	close(m.ended) // it comes once only, whatever became of it
}

func (m *mailbox) Failed(what string, err error) { m.t.Error(fmt.Errorf("%s: %w", what, err)) }
