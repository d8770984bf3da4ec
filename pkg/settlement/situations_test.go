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
				f := newFixture(t, nil)
				subscriptions := slices.Compact(slices.Sorted(slices.Values(slices.Concat(test.renew...))))
				for i := range test.events {
					f.write(subscriptions[i%len(subscriptions)], fmt.Sprintf("code_%d", i%4), fmt.Sprintf("%d.5", i%7))
				}
				var bodies [][]byte
				for _, subscriptions := range test.renew {
					_, body := f.renew(subscriptions...)
					bodies = append(bodies, body)
				}
				f.allDone(bodies...)
				f.wantAllBilled()
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
					var f *fixture
					calls, on := 0, false
					f = newFixtureOf(t, chargebee.Config{}, dynamodb.Config{
						IndexLag: func(string) time.Duration { return lag },
						Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
							if !on || operation == "GetItem" {
								return sandbox.Fault{}
							}
							if calls++; calls == call {
								on = false
								for range 5 {
									f.write("sub", "late", "0.25")
								}
								on = true
								calls = call
							}
							return sandbox.Fault{Delay: 20 * time.Millisecond}
						}),
					})
					for i := range 150 { // two pages
						f.write("sub", fmt.Sprintf("code_%d", i%2), "2.5")
					}
					time.Sleep(time.Second)
					_, first := f.renew("sub")
					on = true
					f.wantDone(f.settler(nil), first)
					on = false
					if calls < call {
						t.Fatalf("only %d calls were made", calls)
					}
					f.wantEachBilledOnce()
					time.Sleep(time.Second)
					_, second := f.renew("sub")
					f.wantDone(f.settler(nil), second)
					f.wantAllBilled()
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
		f := newFixture(t, nil)
		settler := f.settler(nil)
		_, body := f.three()
		f.wantClosed(settler, body)
		period := fmt.Sprintf("occurred_at=%d", time.Now().Add(-time.Hour).Unix())
		time.Sleep(24 * time.Hour)
		f.write("sub", "calls", "80", period)
		f.wantOneRead(&queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now()}})
		f.wantStatuses("billed billed billed unbilled")
		time.Sleep(29 * 24 * time.Hour)
		f.write("sub", "calls", "160")
		_, next := f.renew("sub")
		f.wantDone(settler, next)
		f.wantAllBilled()
		if lines := f.invoices()[1].Charges; len(lines) != 1 || lines[0].Amount != 240 {
			t.Errorf("the next invoice has the lines %+v", lines)
		}
	})
}

// TestEventChangedWhileClaiming by a producer that breaks the rules, after it was read: it is billed with
// its current values.
func TestEventChangedWhileClaiming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		settler := f.settler(nil)
		changed := false
		settler.Ledger = watched{Ledger: settler.Ledger, before: func(step billing.Step) {
			if step.Claim != nil && !changed {
				changed = true
				f.rewrite("event_00002", "seats", "21")
			}
		}}
		f.wantDone(settler, body)
		f.wantStatuses("billed billed billed")
		f.wantEachBilledOnce()
		_, next := f.renew("sub")
		f.wantDone(f.settler(nil), next)
		f.wantAllBilled()
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
				f := newFixture(t, nil)
				id, body := f.three()
				key := map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("event_00001")}
				f.meanwhile("close", 1, func() (err error) {
					if test.status == "" {
						_, err = f.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{TableName: aws.String("events"), Key: key})
						return err
					}
					_, err = f.sdk.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
						TableName: aws.String("events"), Key: key,
						UpdateExpression:          aws.String("SET #status = :status, unbilled = subscription_id"),
						ExpressionAttributeNames:  map[string]string{"#status": "status"},
						ExpressionAttributeValues: map[string]types.AttributeValue{":status": text(test.status)},
					})
					return err
				})
				f.wantDone(f.settler(nil), body)
				if record := f.head(id); record.Outcome != billing.Closed {
					t.Errorf("got %+v", record)
				}
				f.wantStatuses(test.want)
				if got := f.notes.mismatched; len(got) != test.reported || len(got) == 1 && (got[0].EventID != "event_00001" || got[0].Status != test.status) {
					t.Errorf("alarmed about %+v", f.notes.mismatched)
				}
			})
		})
	}
}
