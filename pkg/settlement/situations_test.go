package settlement_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestInvoicesAtOnce that want the same events: each event is on one of them, and on that
// with its own amount.
func TestInvoicesAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		events int
		renew  [][]string // the subscriptions of each invoice
	}{
		"two of one subscription":                   {250, [][]string{{"a"}, {"a"}}},
		"a consolidated one and one of its own":     {250, [][]string{{"a", "b"}, {"b"}}},
		"two consolidated ones that overlap":        {250, [][]string{{"a", "b"}, {"b", "c"}}},
		"two consolidated ones, in the other order": {250, [][]string{{"a", "b"}, {"b", "a"}}},
		"none of them has an event":                 {0, [][]string{{"a"}, {"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				subscriptions := slices.Compact(slices.Sorted(slices.Values(slices.Concat(test.renew...))))
				for i := range test.events {
					w.write(subscriptions[i%len(subscriptions)], fmt.Sprintf("code_%d", i%4), fmt.Sprintf("%d.5", i%7))
				}
				var bodies [][]byte
				for _, subscriptions := range test.renew {
					_, body := w.renew(subscriptions...)
					bodies = append(bodies, body)
				}
				w.allDone(bodies...)
				w.wantAllBilled()
			})
		})
	}
}

// TestEventsWrittenWhileClaiming are on this invoice or on the next one, whenever they
// come and however late the index shows them.
func TestEventsWrittenWhileClaiming(t *testing.T) {
	t.Parallel()
	for _, lag := range []time.Duration{0, 30 * time.Millisecond} {
		for call := 1; call <= 6; call++ { // queries, transactions and writes of the head
			t.Run(fmt.Sprintf("at call %d, the index lags by %s", call, lag), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var w *world
					calls, on := 0, false
					w = newWorldOf(t, chargebee.Config{}, dynamodb.Config{
						IndexLag: func(string) time.Duration { return lag },
						Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
							if !on || operation == "GetItem" {
								return sandbox.Fault{}
							}
							if calls++; calls == call {
								on = false
								for range 5 {
									w.write("sub", "late", "0.25")
								}
								on = true
								calls = call
							}
							return sandbox.Fault{Delay: 20 * time.Millisecond}
						}),
					})
					for i := range 150 { // two pages
						w.write("sub", fmt.Sprintf("code_%d", i%2), "2.5")
					}
					time.Sleep(time.Second)
					_, first := w.renew("sub")
					on = true
					w.wantDone(w.settler(nil), first)
					on = false
					if calls < call {
						t.Fatalf("only %d calls were made", calls)
					}
					w.wantEachBilledOnce()
					time.Sleep(time.Second)
					_, second := w.renew("sub")
					w.wantDone(w.settler(nil), second)
					w.wantAllBilled()
				})
			})
		}
	}
}

// TestLateEvent was written after the invoice of its period had been closed: the next one
// bills it.
func TestLateEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		settler := w.settler(nil)
		_, body := w.three()
		w.wantClosed(settler, body)
		period := fmt.Sprintf("occurred_at=%d", time.Now().Add(-time.Hour).Unix())
		time.Sleep(24 * time.Hour)
		w.write("sub", "calls", "80", period)
		w.wantOneRead(&queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}})
		w.wantStatuses("billed billed billed unbilled")
		time.Sleep(29 * 24 * time.Hour)
		w.write("sub", "calls", "160")
		_, next := w.renew("sub")
		w.wantDone(settler, next)
		w.wantAllBilled()
		if lines := w.invoices()[1].Charges; len(lines) != 1 || lines[0].Amount != 240 {
			t.Errorf("the next invoice has the lines %+v", lines)
		}
	})
}

// TestEventChangedWhileClaiming by a producer that breaks the rules, after it was read: it is billed with
// its current values.
func TestEventChangedWhileClaiming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_, body := w.three()
		settler := w.settler(nil)
		changed := false
		settler.Ledger = watched{Ledger: settler.Ledger, before: func(step billing.Step) {
			if step.Claim != nil && !changed {
				changed = true
				w.rewrite("event_00002", "seats", "21")
			}
		}}
		w.wantDone(settler, body)
		w.wantStatuses("billed billed billed")
		w.wantEachBilledOnce()
		_, next := w.renew("sub")
		w.wantDone(w.settler(nil), next)
		w.wantAllBilled()
	})
}

// TestEventThatNoLongerMatches: an event that was set back is claimed and billed again. One that was deleted
// is reported.
func TestEventThatNoLongerMatches(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status   string // as a program that breaks the rules leaves it; empty: deleted
		want     string
		reported int
	}{
		"set back": {billing.EventUnbilled, "billed billed billed", 0},
		"deleted":  {"", "unbilled billed billed", 1}, // an absent one is shown as unbilled
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				id, body := w.three()
				key := map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("event_00001")}
				w.meanwhile("close", 1, func() (err error) {
					if test.status == "" {
						_, err = w.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{TableName: aws.String("events"), Key: key})
						return err
					}
					_, err = w.sdk.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
						TableName: aws.String("events"), Key: key,
						UpdateExpression:          aws.String("SET #status = :status, unbilled = subscription_id"),
						ExpressionAttributeNames:  map[string]string{"#status": "status"},
						ExpressionAttributeValues: map[string]types.AttributeValue{":status": text(test.status)},
					})
					return err
				})
				w.wantDone(w.settler(nil), body)
				if record := w.head(id); record.Outcome != billing.Closed {
					t.Errorf("got %+v", record)
				}
				w.wantStatuses(test.want)
				if got := w.notes.mismatched; len(got) != test.reported || len(got) == 1 && (got[0].EventID != "event_00001" || got[0].Status != test.status) {
					t.Errorf("alarmed about %+v", w.notes.mismatched)
				}
			})
		})
	}
}
