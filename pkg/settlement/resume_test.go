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
// a moment before: the line was not removed.
func TestReplayRightAfterTheRejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		added := 0
		f := newFixtureOf(t, chargebee.Config{
			MaxReadLag: settings.MaxEffectDelay,
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
		_, body := f.three()
		time.Sleep(time.Hour) // the draft itself shows
		settler := f.settler(nil)
		f.wantRejected(settler, body, billing.ChargebeeRefused)
		f.wantClosed(settler, body)
	})
}

// TestResumingThatFails defers the message as long as the draft cannot be read: nothing
// follows from that but that it waits.
func TestResumingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		settler := f.settler(nil)
		f.gateway.answer(canned{to: "/add_charge", words: "400 invalid_request param_wrong_value", after: 1, times: 1})
		f.wantRejected(settler, body, billing.ChargebeeRefused)
		f.gateway.answer(canned{to: "/" + id, words: "500 operation_failed internal_error"})
		if outcome, receives := f.receive(settler, body, 5*24*time.Hour); outcome.Action != queue.Retry || f.head(id).Attempts != 0 {
			t.Fatalf("after %d receives: %+v", receives, outcome)
		}
		f.wantStatuses("claimed claimed claimed")
		f.gateway.stop()
		f.wantClosed(settler, body)
	})
}

// TestTooOldInTheMiddle of charging or closing holds the claims, and a younger message
// goes on where the old one stopped.
func TestTooOldInTheMiddle(t *testing.T) {
	t.Parallel()
	for operation, resume := range map[string]billing.State{"add_charge": billing.Charging, "close": billing.Closing} {
		synctest.Test(t, func(t *testing.T) {
			call := map[string]int{"add_charge": 2, "close": 1}[operation]
			f := newFixture(t, once(operation, call, sandbox.Fault{Kind: sandbox.Refuse}))
			id, body := f.three()
			settler := f.settler(nil)
			f.wantRetry(settler, body)
			time.Sleep(time.Minute)
			old := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
			if outcome := settler.Handle(t.Context(), old); outcome.Reason != string(billing.TooOld) {
				t.Fatalf("got %+v", outcome)
			}
			f.wantStatuses("claimed claimed claimed")
			if record := f.head(id); record.State != billing.Rejected || record.Resume != resume {
				t.Errorf("got %+v", record)
			}
			f.wantClosed(settler, body)
		})
	}
}
