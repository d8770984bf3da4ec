package settlement_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestCrash ends the process at every call it makes, before and after the call's
// effect; the next one goes on. The books are equal every time.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				for i := range 5 {
					w.write("sub", []string{"calls", "storage"}[i%2], "7.5")
				}
				id, body := w.renew("sub")
				reached = w.handleAndCrash(&crash{at: at, after: after}, body)
				time.Sleep(2 * settings.Lease)
				w.wantDone(w.settler(nil), body)
				if head := w.head(id); head.Outcome != billing.Closed {
					t.Errorf("crashed at call %d (after its effect: %t): %+v", at, after, head)
				}
				w.wantEqualBooks()
			})
			if t.Failed() {
				t.Fatalf("at call %d, after its effect: %t", at, after)
			}
			if !reached {
				if at < 12 {
					t.Errorf("only %d calls were made", at)
				}
				break
			}
		}
	}
}

// TestCrashWhileReleasing does the same for a rejection.
func TestCrashWhileReleasing(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.write("sub", "calls", "7.5")
				bad := w.write("sub", "calls", "-1")
				_, body := w.renew("sub")
				reached = w.handleAndCrash(&crash{at: at, after: after}, body)
				time.Sleep(2 * settings.Lease)
				settler := w.settler(nil)
				if outcome := w.deliver(settler, body); outcome.Verdict != queue.Reject {
					t.Errorf("crashed at call %d (after its effect: %t): %+v", at, after, outcome)
				}
				for _, event := range w.events() {
					if event.InvoiceID != "" {
						t.Errorf("crashed at call %d (after its effect: %t): %+v", at, after, event)
					}
				}
				w.mend(bad)
				w.wantClosed(settler, body)
			})
			if t.Failed() {
				t.Fatalf("at call %d, after its effect: %t", at, after)
			}
			if !reached {
				break
			}
		}
	}
}

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
				w.wantDoneAtOnce(w.settler(nil), body)
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

// TestReleasedPlanExpires, also when the one who drew it crashed before releasing.
func TestReleasedPlanExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		_, body := w.three()
		w.gateway.answer(canned{to: "/add_charge", words: "400 invalid_request param_wrong_value"})
		releasing := false
		crashing := w.settler(func(_ string, transport http.RoundTripper) http.RoundTripper {
			return roundTripper(func(request *http.Request) (*http.Response, error) {
				if releasing {
					return nil, errCrashed
				}
				return transport.RoundTrip(request)
			})
		})
		crashing.Ledger = watched{Ledger: crashing.Ledger, after: func(step billing.Step) {
			releasing = releasing || step.Head.State == billing.Releasing
		}}
		w.wantRetry(crashing, body)
		time.Sleep(2 * settings.Lease)
		w.wantRejected(w.settler(nil), body, billing.ChargebeeRefused)
		for _, item := range w.tables.Items("ledger") {
			key := fmt.Sprint(item["invoice_id"])
			if _, ok := item["expires_at"]; !ok && strings.Contains(key, "#") {
				t.Errorf("%s has no time to live", key)
			}
		}
	})
}
