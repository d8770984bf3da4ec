package settlement_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/settlement"
)

// exhausted is a pacer that has so many permits and no more.
type exhausted struct {
	settlement.Pacer

	left int
}

func (p *exhausted) TryAcquire() *pace.Permit {
	if p.left == 0 {
		return nil
	}
	p.left--
	return pace.NewPermit(time.Now(), nil)
}

func (p *exhausted) Acquire(ctx context.Context) (*pace.Permit, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// TestPermitIsAwaitedForFiveMinutes: then the message comes back, what was added is
// written down, nothing counts as sent, and the handling was no attempt.
func TestPermitIsAwaitedForFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		settler := w.settler(nil)
		pacer := settler.Pacer
		settler.Pacer = &exhausted{left: 1}
		started := time.Now()
		outcome := w.handle(settler, body)
		if waited := time.Since(started); outcome.Verdict != queue.Retry || waited < 5*time.Minute || waited > 6*time.Minute {
			t.Errorf("after %s: %+v", waited, outcome)
		}
		if head := w.head(id); head.Cursor != 1 || head.Sending() || head.Attempts != 0 || head.Owner != "" {
			t.Errorf("got %+v", head)
		}
		settler.Pacer = pacer
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Errorf("with permits: %+v", outcome)
		}
		w.wantEqualBooks()
	})
}

// TestTooOldInTheMiddle of charging or closing holds the claims, and a younger message
// goes on where the old one stopped.
func TestTooOldInTheMiddle(t *testing.T) {
	t.Parallel()
	for operation, resume := range map[string]billing.State{"add_charge": billing.Charging, "close": billing.Closing} {
		synctest.Test(t, func(t *testing.T) {
			call := map[string]int{"add_charge": 2, "close": 1}[operation]
			w := newWorld(t, once(operation, call, sandbox.Fault{Kind: sandbox.Refuse}))
			id, body := w.three()
			settler := w.settler(nil)
			if outcome := w.handle(settler, body); outcome.Verdict != queue.Retry {
				t.Fatalf("got %+v", outcome)
			}
			time.Sleep(time.Minute)
			old := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
			if outcome := settler.Handle(t.Context(), old); outcome.Reason != string(billing.TooOld) {
				t.Fatalf("got %+v", outcome)
			}
			if got := w.statuses(); got != "claimed claimed claimed" {
				t.Errorf("events are %s", got)
			}
			if head := w.head(id); head.State != billing.Rejected || head.Resume != resume {
				t.Errorf("got %+v", head)
			}
			if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
				t.Errorf("a younger message: %+v", outcome)
			}
			w.wantEqualBooks()
		})
	}
}

// TestEventThatNoLongerMatches is left as found and alarmed about; the others are
// billed all the same.
func TestEventThatNoLongerMatches(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status string // as a program that breaks the rules leaves it; empty: deleted
		want   string
	}{
		"set back": {billing.EventUnbilled, "unbilled billed billed"},
		"deleted":  {"", "unbilled billed billed"}, // an absent one is shown as unbilled
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w *world
				key := map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("event_00001")}
				w = newWorld(t, at("close", 1, func() {
					var err error
					if test.status == "" {
						_, err = w.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{TableName: aws.String("events"), Key: key})
					} else {
						_, err = w.sdk.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
							TableName: aws.String("events"), Key: key,
							UpdateExpression:          aws.String("SET #status = :status, unbilled = subscription_id"),
							ExpressionAttributeNames:  map[string]string{"#status": "status"},
							ExpressionAttributeValues: map[string]types.AttributeValue{":status": text(test.status)},
						})
					}
					if err != nil {
						t.Error(err)
					}
				}))
				id, body := w.three()
				if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Fatalf("got %+v", outcome)
				}
				if head := w.head(id); head.Outcome != billing.Closed {
					t.Errorf("got %+v", head)
				}
				if got := w.statuses(); got != test.want {
					t.Errorf("events are %s", got)
				}
				if len(w.notes.mismatched) != 1 || w.notes.mismatched[0].EventID != "event_00001" || w.notes.mismatched[0].Status != test.status {
					t.Errorf("alarmed about %+v", w.notes.mismatched)
				}
			})
		})
	}
}
