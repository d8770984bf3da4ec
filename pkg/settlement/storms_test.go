package settlement_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestLostReplyOfEachWrite: whatever answer of DynamoDB is lost, or comes after the
// write was thought to be lost, the handling goes on and costs no further call.
func TestLostReplyOfEachWrite(t *testing.T) {
	t.Parallel()
	for _, fault := range []sandbox.Fault{{Kind: sandbox.LoseReply}, {Kind: sandbox.CutBody}, {Kind: sandbox.ApplyLate, Late: 700 * time.Millisecond}} {
		for call := 1; ; call++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				calls, on := 0, false
				w := newWorldOf(t, chargebee.Config{}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
					if !on || operation == "GetItem" || operation == "Query" {
						return sandbox.Fault{}
					}
					if calls++; calls != call {
						return sandbox.Fault{}
					}
					reached = true
					return fault
				})})
				_, body := w.three()
				on = true
				if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Errorf("got %+v: %+v", outcome, w.last())
				}
				on = false
				if got := w.calls(); got != "add_charge add_charge add_charge close" {
					t.Errorf("called %s", got)
				}
				time.Sleep(time.Second)
				w.wantEqualBooks()
			})
			if t.Failed() {
				t.Fatalf("write %d: %+v", call, fault)
			}
			if !reached {
				if call < 9 {
					t.Errorf("only %d writes were made", call)
				}
				break
			}
		}
	}
}

// TestConflictStorm is waited out under the lease.
func TestConflictStorm(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Kind{"conflicts": sandbox.Partial, "throttles": sandbox.Throttle, "errors": sandbox.Refuse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var until time.Time
				w := newWorldOf(t, chargebee.Config{}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
					if operation == "TransactWriteItems" && time.Now().Before(until) {
						return sandbox.Fault{Kind: fault}
					}
					return sandbox.Fault{}
				})})
				_, body := w.three()
				until = time.Now().Add(5 * time.Second)
				if outcome := w.handle(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Fatalf("got %+v: %+v", outcome, w.last())
				}
				w.wantEqualBooks()
			})
		})
	}
}

// TestManyInvoicesOfOneSubscription claim the same events at once, in transactions
// that conflict, from an index that lags behind.
func TestManyInvoicesOfOneSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := sandbox.Seeded(1, sandbox.Rates{Partial: 0.3})
		w := newWorldOf(t, chargebee.Config{}, dynamodb.Config{
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if operation != "TransactWriteItems" {
					return sandbox.Fault{}
				}
				return faults.Next(operation)
			}),
			IndexLag: func(string) time.Duration { return time.Second },
		})
		for i := range 300 {
			w.write("sub", fmt.Sprintf("code_%d", i%4), "3")
		}
		time.Sleep(2 * time.Second)
		var all sync.WaitGroup
		for range 6 {
			_, body := w.renew("sub")
			all.Go(func() {
				if outcome := w.deliver(w.settler(nil), body); outcome.Verdict != queue.Done {
					t.Errorf("got %+v", outcome)
				}
			})
		}
		all.Wait()
		for _, event := range w.events() {
			if event.Status != billing.EventBilled {
				t.Errorf("got %+v", event)
			}
		}
		w.wantLinesOnce()
	})
}

// TestReleasedEventsAreFoundAgain although the index shows them only after a while:
// the invoice is not closed without them.
func TestReleasedEventsAreFoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, chargebee.Config{}, dynamodb.Config{IndexLag: func(string) time.Duration { return 5 * time.Second }})
		_, body := w.three()
		time.Sleep(5 * time.Second)
		refuse := true
		settler := w.settler(answering("/add_charge", http.StatusBadRequest, "param_wrong_value", func() bool { return refuse }))
		if outcome := w.handle(settler, body); outcome.Reason != string(billing.ChargebeeRefused) {
			t.Fatalf("got %+v", outcome)
		}
		refuse = false
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done { // a copy, at once
			t.Fatalf("got %+v", outcome)
		}
		w.wantEqualBooks()
	})
}
