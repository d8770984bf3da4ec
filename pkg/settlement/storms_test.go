package settlement_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

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
				w.wantDoneAtOnce(w.settler(nil), body)
				w.wantReconciled()
			})
		})
	}
}

// TestBusyLedgerTookNothing: when it stays busy for longer than a write is repeated,
// the state of the record is unknown. Nothing is sent then, whatever the
// write was.
func TestBusyLedgerTookNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string // after whose
		call      int    // n-th call the ledger is busy
		calls     string // that arrive at Chargebee until that is over
	}{
		"before the second line":     {"add_charge", 1, "retrieve add_charge"},
		"before closing":             {"add_charge", 3, "retrieve add_charge add_charge add_charge"},
		"before settling the events": {"close", 1, "retrieve add_charge add_charge add_charge close"},
	} {
		for _, fault := range []sandbox.Kind{sandbox.Throttle, sandbox.Refuse, sandbox.LoseReply} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var busyUntil time.Time
					w := newWorldOf(t, chargebee.Config{Faults: at(test.operation, test.call, func() {
						busyUntil = time.Now().Add(time.Minute)
					})}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
						if time.Now().After(busyUntil) || operation != "PutItem" && operation != "TransactWriteItems" {
							return sandbox.Fault{}
						}
						return sandbox.Fault{Kind: fault}
					})})
					_, body := w.three()
					w.wantRetry(w.settler(nil), body)
					w.wantCalls(test.calls)
					time.Sleep(2 * time.Hour) // no idempotency key helps anymore
					w.wantClosed(w.settler(nil), body)
				})
			})
		}
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
		var bodies [][]byte
		for range 6 {
			_, body := w.renew("sub")
			bodies = append(bodies, body)
		}
		w.allDone(bodies...)
		w.wantAllBilled()
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
		settler := w.settler(nil)
		w.gateway.answer(canned{to: "/add_charge", words: "400 invalid_request param_wrong_value", times: 1})
		w.wantRejected(settler, body, billing.ChargebeeRefused)
		w.wantClosed(settler, body) // a copy, at once
	})
}
