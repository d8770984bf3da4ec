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

// TestStoredRefusal: Chargebee may repeat a refusal under its key although the cause is gone.
// A close is then sent under another key, and a charge once its key is forgotten.
func TestStoredRefusal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operation string
		call      int
		reason    billing.Reason
		within    time.Duration // the replay, until it is done
	}{
		"close":      {"close", 1, billing.CloseRefused, time.Minute},
		"first line": {"add_charge", 1, billing.ChargebeeRefused, 2 * time.Minute}, // a new epoch has new keys
		"later line": {"add_charge", 2, billing.ChargebeeRefused, 40 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{
					StoreErrors: true,
					Refusals:    []*chargebee.Error{chargebee.ErrPaymentFailed},
					Faults:      once(test.operation, test.call, sandbox.Fault{Kind: sandbox.Refuse}),
				}, dynamodb.Config{})
				_, body := f.three()
				settler := f.settler(nil)
				f.wantRejected(settler, body, test.reason)
				time.Sleep(time.Minute)
				replayed := time.Now()
				f.wantClosed(settler, body)
				if took := time.Since(replayed); took > test.within {
					t.Errorf("the replay took %s", took)
				}
			})
		})
	}
}

// TestConcurrentCloses under two keys close the invoice once.
func TestConcurrentCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{
			Refusals: []*chargebee.Error{chargebee.ErrPaymentFailed},
			Faults:   once("close", 1, sandbox.Fault{Kind: sandbox.ApplyLate, Late: settings.MaxEffectDelay - time.Second}),
		}, dynamodb.Config{})
		id, body := f.three()
		settler := f.settler(nil)
		f.gateway.answer(canned{to: "/close", words: "400 payment payment_processing_failed", after: 1, times: 1})
		if outcome := f.handle(settler, body); outcome.Action != queue.Retry {
			t.Fatalf("got %+v", outcome)
		}
		f.wantClosed(settler, body) // refused, read twice, and closed meanwhile by the late call
		if record := f.head(id); record.CloseRefusals != 1 {
			t.Errorf("got %+v", record)
		}
	})
}
