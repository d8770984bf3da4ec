package settlement_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestReplayRightAfterTheRejection reads a draft that does not show yet what was added
// a moment before: nobody has removed the line.
func TestReplayRightAfterTheRejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		added := 0
		w := newWorldOf(t, chargebee.Config{
			MaxReadLag: settings.LateBound,
			Refusals:   []*chargebee.Error{chargebee.ErrIncompatible},
			Faults: sandbox.FaultFunc(func(operation string) sandbox.Fault {
				switch operation {
				case "add_charge":
					if added++; added == 2 {
						return sandbox.Fault{Kind: sandbox.Refuse}
					}
				case "retrieve":
					return sandbox.Fault{Lag: 4 * time.Minute}
				}
				return sandbox.Fault{}
			}),
		}, dynamodb.Config{})
		id, body := w.three()
		time.Sleep(time.Hour) // the draft itself shows
		settler := w.settler(nil)
		if outcome := w.deliver(settler, body); outcome.Reason != string(billing.ChargebeeRefused) {
			t.Fatalf("the second line: %+v", outcome)
		}
		if outcome := w.deliver(settler, body); outcome.Verdict != queue.Done {
			t.Errorf("replayed: %+v", outcome)
		}
		if head := w.head(id); head.Outcome != billing.Closed {
			t.Errorf("got %+v", head)
		}
		w.wantEqualBooks()
	})
}
