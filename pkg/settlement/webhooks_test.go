package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

// wantOneRead handles a message for an invoice that is finished: it costs one read of
// the ledger.
func (f *fixture) wantOneRead(delivery *queue.Delivery) {
	f.t.Helper()
	asked := &requests{}
	outcome := f.settler(asked.wrap).Handle(f.t.Context(), delivery)
	if outcome.Action != queue.Ack || !f.last().Repeated {
		f.t.Errorf("got %+v: %+v", outcome, f.last())
	}
	if got := strings.Join(asked.dynamodb, " "); got != "GetItem" || len(asked.chargebee) != 0 {
		f.t.Errorf("asked DynamoDB for %q, Chargebee for %q", got, asked.chargebee)
	}
}

// TestRepeatedWebhooks come for more than three days after the first one, each with other
// bytes, and by ways that lose what the message was sent with.
func TestRepeatedWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.wantClosed(f.settler(nil), body)
		settled := f.head(id)

		// https://www.chargebee.com/docs/2.0/webhook_settings.html
		for i, after := range []time.Duration{
			2 * time.Minute, 6 * time.Minute, 30 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 48 * time.Hour,
		} {
			time.Sleep(after)
			f.write("sub", "calls", "7", "occurred_at=1") // is not for this invoice anymore
			again := strings.Replace(string(body), `"webhook_status":"`, `"webhooks":[{"id":"wh","webhook_status":"failed","object":"webhook"}],"webhook_status":"re_`, 1)
			if again == string(body) {
				t.Fatalf("nothing to repeat in %s", body)
			}
			f.wantOneRead(&queue.Delivery{Message: queue.Message{ID: fmt.Sprintf("retry %d", i), Body: []byte(again), SentAt: time.Now()}})
		}
		f.wantOneRead(&queue.Delivery{Message: queue.Message{ // AWS's own redrive keeps the time of the first send
			ID: "redriven", Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour), ReceiveCount: 1001,
		}})
		f.wantOneRead(&queue.Delivery{Message: queue.Message{ // a replay from the dead-letter queue
			ID: "replayed", Body: body, SentAt: time.Now(), Attributes: map[string]string{queue.AttributeReplayCount: "1"},
		}})
		f.wantOneRead(&queue.Delivery{Message: queue.Message{ID: "bare", Body: body}}) // no attributes, no times

		if record := f.head(id); record != settled {
			t.Errorf("the ledger changed from %+v to %+v", settled, record)
		}
		f.wantEachBilledOnce()
	})
}

// TestWebhooksInAnyOrder: the second renewal's comes before the first one's, or with it.
// Both invoices are closed and no event is billed twice.
func TestWebhooksInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func(f *fixture, settler *settlement.Settler, first, second []byte){
		"the second first": func(f *fixture, settler *settlement.Settler, first, second []byte) {
			f.wantDone(settler, second)
			f.wantDone(settler, first)
		},
		"each twice, in turn": func(f *fixture, settler *settlement.Settler, first, second []byte) {
			for _, body := range [][]byte{second, first, first, second} {
				f.wantDone(settler, body)
			}
		},
		"all at once": func(f *fixture, settler *settlement.Settler, first, second []byte) {
			f.allDone(first, second, first, second, second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{Latency: 50 * time.Millisecond}, dynamodb.Config{})
				for i := range 120 {
					f.write("sub", fmt.Sprintf("code_%d", i%3), "3")
				}
				_, first := f.renew("sub")
				time.Sleep(30 * 24 * time.Hour)
				for i := range 120 {
					f.write("sub", fmt.Sprintf("code_%d", i%3), "5")
				}
				_, second := f.renew("sub")
				order(f, f.settler(nil), first, second)
				f.wantAllBilled()
			})
		})
	}
}

// TestWebhookAfterAutoClose: the draft had closed by itself before any webhook for it
// could be handled. Its events are not on it: they stay unbilled, the message is rejected, and
// the next invoice bills them.
func TestWebhookAfterAutoClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{AutoClose: 24 * time.Hour}, dynamodb.Config{})
		_, body := f.three()
		time.Sleep(25 * time.Hour)
		settler := f.settler(nil)
		for range 2 { // a replay has the same result
			f.wantResult(settler, body, messageResult{billing.InvoiceNotPending, "", "unbilled unbilled unbilled"})
			f.wantEachBilledOnce()
		}
		_, next := f.renew("sub")
		f.wantDone(settler, next)
		f.wantAllBilled()
	})
}

// TestAutoCloseInTheMiddle of charging: the lines that made it are billed, the others
// wait for the next invoice.
func TestAutoCloseInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{
			AutoClose: 24 * time.Hour,
			Faults:    at("add_charge", 2, func() { time.Sleep(2 * time.Second) }),
		}, dynamodb.Config{})
		_, body := f.three()
		time.Sleep(24*time.Hour - time.Second)
		settler := f.settler(nil)
		f.wantResult(settler, body, messageResult{billing.InvoiceNotPending, "srr", "billed unbilled unbilled"})
		f.wantEachBilledOnce()
		_, next := f.renew("sub")
		f.wantDone(settler, next)
		f.wantAllBilled()
	})
}
