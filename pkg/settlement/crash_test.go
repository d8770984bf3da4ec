package settlement_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// atEachCall runs a scenario once for every call that is made in it, each time in a bubble
// of its own, and returns the number of calls. A scenario reports whether its call was
// made.
func atEachCall(t *testing.T, what string, scenario func(t *testing.T, call int) (reached bool)) (calls int) {
	t.Helper()
	for call := 1; ; call++ {
		reached := false
		synctest.Test(t, func(t *testing.T) { // a scenario that fails ends the whole test
			defer func() {
				if t.Failed() {
					t.Logf("%s at call %d", what, call)
				}
			}()
			reached = scenario(t, call)
		})
		if !reached {
			return call - 1
		}
	}
}

// TestCrash ends the process at every call it makes, before and after the call's
// effect; the next one continues. Billed and expected are equal every time.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		calls := atEachCall(t, fmt.Sprintf("crashed, after the effect: %t,", after), func(t *testing.T, call int) (reached bool) {
			f := newFixture(t, nil)
			for i := range 5 {
				f.write("sub", []string{"calls", "storage"}[i%2], "7.5")
			}
			_, body := f.renew("sub")
			reached = f.handleAndCrash(&crash{at: call, after: after}, body)
			time.Sleep(2 * settings.Lease)
			f.wantClosed(f.settler(nil), body)
			return reached
		})
		if calls < 11 {
			t.Errorf("only %d calls were made", calls)
		}
	}
}

// TestCrashWhileReleasing does the same for a rejection.
func TestCrashWhileReleasing(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		atEachCall(t, fmt.Sprintf("crashed, after the effect: %t,", after), func(t *testing.T, call int) (reached bool) {
			f := newFixture(t, nil)
			f.write("sub", "calls", "7.5")
			bad := f.write("sub", "calls", "1e30")
			_, body := f.renew("sub")
			reached = f.handleAndCrash(&crash{at: call, after: after}, body)
			time.Sleep(2 * settings.Lease)
			settler := f.settler(nil)
			f.wantRejected(settler, body, billing.InvalidEvent)
			for _, event := range f.events() {
				if event.InvoiceID != "" {
					t.Errorf("a claim is held: %+v", event)
				}
			}
			f.correct(bad)
			f.wantClosed(settler, body)
			return reached
		})
	}
}

// TestLostReplyOfEachWrite: whatever answer of DynamoDB is lost, or comes after the
// write was thought to be lost, the session continues and costs no further call.
func TestLostReplyOfEachWrite(t *testing.T) {
	t.Parallel()
	for _, fault := range []sandbox.Fault{{Kind: sandbox.LoseReply}, {Kind: sandbox.CutBody}, {Kind: sandbox.ApplyLate, Late: 700 * time.Millisecond}} {
		writes := atEachCall(t, fmt.Sprintf("%+v", fault), func(t *testing.T, call int) (reached bool) {
			calls, on := 0, false
			f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				if !on || operation == "GetItem" || operation == "Query" {
					return sandbox.Fault{}
				}
				if calls++; calls != call {
					return sandbox.Fault{}
				}
				reached = true
				return fault
			})})
			_, body := f.three()
			on = true
			f.wantDoneAtOnce(f.settler(nil), body)
			on = false
			f.wantCalls("retrieve add_charge add_charge add_charge close")
			time.Sleep(time.Second)
			f.wantReconciled()
			return reached
		})
		if writes < 7 {
			t.Errorf("only %d writes were made", writes)
		}
	}
}

// TestReleasedPlanExpires, also when the one who drew it crashed before releasing.
func TestReleasedPlanExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		_, body := f.three()
		f.gateway.answer(canned{to: "/add_charge", words: "400 invalid_request param_wrong_value"})
		releasing := false
		crashing := f.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if releasing {
					return nil, errCrashed
				}
				return transport.RoundTrip(request)
			})
		})
		crashing.Ledger = watched{Ledger: crashing.Ledger, after: func(step billing.Step) {
			releasing = releasing || step.Record.State == billing.Releasing
		}}
		f.wantRetry(crashing, body)
		time.Sleep(2 * settings.Lease)
		f.wantRejected(f.settler(nil), body, billing.ChargebeeRefused)
		for _, item := range f.tables.Items("ledger") {
			key := fmt.Sprint(item["invoice_id"])
			if _, ok := item["expires_at"]; !ok && strings.Contains(key, "#") {
				t.Errorf("%s has no time to live", key)
			}
		}
	})
}
