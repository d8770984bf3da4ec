package settlement_test

import (
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// handle handles the message once.
func (w *world) handle(settler *settlement.Settler, body []byte) queue.Outcome {
	return settler.Handle(w.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
}

// deliver handles the message as a queue would, until it is done or rejected.
func (w *world) deliver(settler *settlement.Settler, body []byte) queue.Outcome {
	w.t.Helper()
	sent := time.Now()
	for range 100 {
		outcome := settler.Handle(w.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: sent}})
		if outcome.Action != queue.Retry {
			return outcome
		}
		time.Sleep(outcome.Delay)
	}
	w.t.Errorf("the message came back 100 times, the last time because of %q", w.last().DeferReason)
	return queue.Outcome{}
}

// wantDone handles the message until it is done.
func (w *world) wantDone(settler *settlement.Settler, body []byte) {
	w.t.Helper()
	if outcome := w.deliver(settler, body); outcome.Action != queue.Ack {
		w.t.Fatalf("got %+v: %+v", outcome, w.last())
	}
}

// wantDoneAtOnce handles the message once, and it is done.
func (w *world) wantDoneAtOnce(settler *settlement.Settler, body []byte) {
	w.t.Helper()
	if outcome := w.handle(settler, body); outcome.Action != queue.Ack {
		w.t.Fatalf("got %+v: %+v", outcome, w.last())
	}
}

// wantClosed handles the message until its invoice is closed, and compares billed with expected.
func (w *world) wantClosed(settler *settlement.Settler, body []byte) {
	w.t.Helper()
	w.wantDone(settler, body)
	if last := w.last(); last.Result != billing.Closed {
		w.t.Errorf("got %+v", last)
	}
	w.wantReconciled()
}

// wantRetry handles the message once, and it comes back.
func (w *world) wantRetry(settler *settlement.Settler, body []byte) queue.Outcome {
	w.t.Helper()
	outcome := w.handle(settler, body)
	if outcome.Action != queue.Retry {
		w.t.Fatalf("got %+v: %+v", outcome, w.last())
	}
	return outcome
}

// wantRejected handles the message until it is rejected.
func (w *world) wantRejected(settler *settlement.Settler, body []byte, reason billing.Reason) queue.Outcome {
	w.t.Helper()
	outcome := w.deliver(settler, body)
	if outcome.Action != queue.DeadLetter || outcome.Reason != string(reason) {
		w.t.Fatalf("got %+v: %+v", outcome, w.last())
	}
	return outcome
}

// messageResult is the result for a message, and for the lines and events of its invoice.
type messageResult struct {
	reason   billing.Reason       // of the rejection; empty: it is done
	verdict  billing.Dispositions // on the lines; empty: no draft was gone
	statuses string               // of all events
}

// wantResult handles the message until it is rejected or done, as wanted.
func (w *world) wantResult(settler *settlement.Settler, body []byte, want messageResult) {
	w.t.Helper()
	if want.reason == "" {
		w.wantDone(settler, body)
	} else {
		w.wantRejected(settler, body, want.reason)
	}
	if record := w.head(w.last().InvoiceID); record.Dispositions != want.verdict {
		w.t.Errorf("the verdict is %q, want %q: %+v", record.Dispositions, want.verdict, record)
	}
	w.wantStatuses(want.statuses)
}

// allDone handles the messages at the same time, each in a process of its own.
func (w *world) allDone(bodies ...[]byte) {
	w.t.Helper()
	var all sync.WaitGroup
	for _, body := range bodies {
		settler := w.settler(nil)
		all.Go(func() {
			if outcome := w.deliver(settler, body); outcome.Action != queue.Ack {
				w.t.Errorf("got %+v", outcome)
			}
		})
	}
	all.Wait()
}
