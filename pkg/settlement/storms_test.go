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
				f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
					if operation == "TransactWriteItems" && time.Now().Before(until) {
						return sandbox.Fault{Kind: fault}
					}
					return sandbox.Fault{}
				})})
				_, body := f.three()
				until = time.Now().Add(5 * time.Second)
				f.wantDoneAtOnce(f.settler(nil), body)
				f.wantReconciled()
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
					f := newFixtureOf(t, chargebee.Config{Faults: at(test.operation, test.call, func() {
						busyUntil = time.Now().Add(time.Minute)
					})}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
						if time.Now().After(busyUntil) || operation != "PutItem" && operation != "TransactWriteItems" {
							return sandbox.Fault{}
						}
						return sandbox.Fault{Kind: fault}
					})})
					_, body := f.three()
					f.wantRetry(f.settler(nil), body)
					f.wantCalls(test.calls)
					time.Sleep(2 * time.Hour) // no idempotency key helps anymore
					f.wantClosed(f.settler(nil), body)
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
		f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if operation != "TransactWriteItems" {
					return sandbox.Fault{}
				}
				return faults.Next(operation)
			}),
			IndexLag: func(string) time.Duration { return time.Second },
		})
		for i := range 300 {
			f.write("sub", fmt.Sprintf("code_%d", i%4), "3")
		}
		time.Sleep(2 * time.Second)
		var bodies [][]byte
		for range 6 {
			_, body := f.renew("sub")
			bodies = append(bodies, body)
		}
		f.allDone(bodies...)
		f.wantAllBilled()
	})
}

// TestReleasedEventsAreFoundAgain although the index shows them only after a while:
// the invoice is not closed without them.
func TestReleasedEventsAreFoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{IndexLag: func(string) time.Duration { return 5 * time.Second }})
		_, body := f.three()
		time.Sleep(5 * time.Second)
		settler := f.settler(nil)
		f.gateway.answer(canned{to: "/add_charge", words: "400 invalid_request param_wrong_value", times: 1})
		f.wantRejected(settler, body, billing.ChargebeeRefused)
		f.wantClosed(settler, body) // a copy, at once
	})
}
