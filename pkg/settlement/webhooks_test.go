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
func (w *world) wantOneRead(delivery *queue.Delivery) {
	w.t.Helper()
	asked := &requests{}
	outcome := w.settler(asked.wrap).Handle(w.t.Context(), delivery)
	if outcome.Action != queue.Ack || !w.last().Repeated {
		w.t.Errorf("got %+v: %+v", outcome, w.last())
	}
	if got := strings.Join(asked.dynamodb, " "); got != "GetItem" || len(asked.chargebee) != 0 {
		w.t.Errorf("asked DynamoDB for %q, Chargebee for %q", got, asked.chargebee)
	}
}

// TestRepeatedWebhooks come for more than three days after the first one, each with other
// bytes, and by ways that lose what the message was sent with.
func TestRepeatedWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		id, body := w.three()
		w.wantClosed(w.settler(nil), body)
		settled := w.head(id)

		// https://www.chargebee.com/docs/2.0/webhook_settings.html
		for i, after := range []time.Duration{
			2 * time.Minute, 6 * time.Minute, 30 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 48 * time.Hour,
		} {
			time.Sleep(after)
			w.write("sub", "calls", "7", "occurred_at=1") // is not for this invoice anymore
			again := strings.Replace(string(body), `"webhook_status":"`, `"webhooks":[{"id":"wh","webhook_status":"failed","object":"webhook"}],"webhook_status":"re_`, 1)
			if again == string(body) {
				t.Fatalf("nothing to repeat in %s", body)
			}
			w.wantOneRead(&queue.Delivery{Message: queue.Message{ID: fmt.Sprintf("retry %d", i), Body: []byte(again), SentAt: time.Now()}})
		}
		w.wantOneRead(&queue.Delivery{Message: queue.Message{ // AWS's own redrive keeps the time of the first send
			ID: "redriven", Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour), ReceiveCount: 1001,
		}})
		w.wantOneRead(&queue.Delivery{Message: queue.Message{ // a replay from the dead-letter queue
			ID: "replayed", Body: body, SentAt: time.Now(), Attributes: map[string]string{queue.AttributeReplayCount: "1"},
		}})
		w.wantOneRead(&queue.Delivery{Message: queue.Message{ID: "bare", Body: body}}) // no attributes, no times

		if record := w.head(id); record != settled {
			t.Errorf("the ledger changed from %+v to %+v", settled, record)
		}
		w.wantEachBilledOnce()
	})
}

// TestWebhooksInAnyOrder: the second renewal's comes before the first one's, or with it.
// Both invoices are closed and no event is billed twice.
func TestWebhooksInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func(w *world, settler *settlement.Settler, first, second []byte){
		"the second first": func(w *world, settler *settlement.Settler, first, second []byte) {
			w.wantDone(settler, second)
			w.wantDone(settler, first)
		},
		"each twice, in turn": func(w *world, settler *settlement.Settler, first, second []byte) {
			for _, body := range [][]byte{second, first, first, second} {
				w.wantDone(settler, body)
			}
		},
		"all at once": func(w *world, settler *settlement.Settler, first, second []byte) {
			w.allDone(first, second, first, second, second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, chargebee.Config{Latency: 50 * time.Millisecond}, dynamodb.Config{})
				for i := range 120 {
					w.write("sub", fmt.Sprintf("code_%d", i%3), "3")
				}
				_, first := w.renew("sub")
				time.Sleep(30 * 24 * time.Hour)
				for i := range 120 {
					w.write("sub", fmt.Sprintf("code_%d", i%3), "5")
				}
				_, second := w.renew("sub")
				order(w, w.settler(nil), first, second)
				w.wantAllBilled()
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
		w := newWorldOf(t, chargebee.Config{AutoClose: 24 * time.Hour}, dynamodb.Config{})
		_, body := w.three()
		time.Sleep(25 * time.Hour)
		settler := w.settler(nil)
		for range 2 { // a replay has the same result
			w.wantResult(settler, body, messageResult{billing.InvoiceNotPending, "", "unbilled unbilled unbilled"})
			w.wantEachBilledOnce()
		}
		_, next := w.renew("sub")
		w.wantDone(settler, next)
		w.wantAllBilled()
	})
}

// TestAutoCloseInTheMiddle of charging: the lines that made it are billed, the others
// wait for the next invoice.
func TestAutoCloseInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, chargebee.Config{
			AutoClose: 24 * time.Hour,
			Faults:    at("add_charge", 2, func() { time.Sleep(2 * time.Second) }),
		}, dynamodb.Config{})
		_, body := w.three()
		time.Sleep(24*time.Hour - time.Second)
		settler := w.settler(nil)
		w.wantResult(settler, body, messageResult{billing.InvoiceNotPending, "srr", "billed unbilled unbilled"})
		w.wantEachBilledOnce()
		_, next := w.renew("sub")
		w.wantDone(settler, next)
		w.wantAllBilled()
	})
}
