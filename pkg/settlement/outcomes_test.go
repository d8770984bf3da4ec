package settlement_test

import (
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// handle handles the message once.
func (f *fixture) handle(settler *settlement.Settler, body []byte) queue.Outcome {
	return settler.Handle(f.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
}

// deliver handles the message as a queue would, until it is done or rejected.
func (f *fixture) deliver(settler *settlement.Settler, body []byte) queue.Outcome {
	f.t.Helper()
	sent := time.Now()
	for range 100 {
		outcome := settler.Handle(f.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: sent}})
		if outcome.Action != queue.Retry {
			return outcome
		}
		time.Sleep(outcome.Delay)
	}
	f.t.Errorf("the message came back 100 times, the last time because of %q", f.last().DeferReason)
	return queue.Outcome{}
}

// wantDone handles the message until it is done.
func (f *fixture) wantDone(settler *settlement.Settler, body []byte) {
	f.t.Helper()
	if outcome := f.deliver(settler, body); outcome.Action != queue.Ack {
		f.t.Fatalf("got %+v: %+v", outcome, f.last())
	}
}

// wantDoneAtOnce handles the message once, and it is done.
func (f *fixture) wantDoneAtOnce(settler *settlement.Settler, body []byte) {
	f.t.Helper()
	if outcome := f.handle(settler, body); outcome.Action != queue.Ack {
		f.t.Fatalf("got %+v: %+v", outcome, f.last())
	}
}

// wantClosed handles the message until its invoice is closed, and compares billed with expected.
func (f *fixture) wantClosed(settler *settlement.Settler, body []byte) {
	f.t.Helper()
	f.wantDone(settler, body)
	if last := f.last(); last.InvoiceOutcome != billing.Closed {
		f.t.Errorf("got %+v", last)
	}
	f.wantReconciled()
}

// wantRetry handles the message once, and it comes back.
func (f *fixture) wantRetry(settler *settlement.Settler, body []byte) queue.Outcome {
	f.t.Helper()
	outcome := f.handle(settler, body)
	if outcome.Action != queue.Retry {
		f.t.Fatalf("got %+v: %+v", outcome, f.last())
	}
	return outcome
}

// wantRejected handles the message until it is rejected.
func (f *fixture) wantRejected(settler *settlement.Settler, body []byte, reason billing.Reason) queue.Outcome {
	f.t.Helper()
	outcome := f.deliver(settler, body)
	if outcome.Action != queue.DeadLetter || outcome.Reason != string(reason) {
		f.t.Fatalf("got %+v: %+v", outcome, f.last())
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
func (f *fixture) wantResult(settler *settlement.Settler, body []byte, want messageResult) {
	f.t.Helper()
	if want.reason == "" {
		f.wantDone(settler, body)
	} else {
		f.wantRejected(settler, body, want.reason)
	}
	if record := f.head(f.last().InvoiceID); record.Dispositions != want.verdict {
		f.t.Errorf("the verdict is %q, want %q: %+v", record.Dispositions, want.verdict, record)
	}
	f.wantStatuses(want.statuses)
}

// allDone handles the messages at the same time, each in a process of its own.
func (f *fixture) allDone(bodies ...[]byte) {
	f.t.Helper()
	var all sync.WaitGroup
	for _, body := range bodies {
		settler := f.settler(nil)
		all.Go(func() {
			if outcome := f.deliver(settler, body); outcome.Action != queue.Ack {
				f.t.Errorf("got %+v", outcome)
			}
		})
	}
	all.Wait()
}
