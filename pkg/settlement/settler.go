package settlement

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Settler settles pending invoices, one per message. All fields are required. It is safe for
// concurrent use.
type Settler struct {
	Ledger      Ledger
	Claims      Claims
	Events      Events
	Charger     Charger
	Invoices    Invoices
	RateLimiter RateLimiter
	Breaker     *Breaker
	Observer    Observer
	Now         func() time.Time // with monotonic clock reading
	Settings    Settings
}

// Handle settles the invoice of the message in one session, and returns what the queue must do with
// the message. Failures are part of the outcome.
func (s *Settler) Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
	report := &Report{MessageID: delivery.ID, EventID: delivery.Attributes[queue.AttributeEventID], Started: s.Now()}
	outcome := s.process(ctx, delivery, report)
	if outcome.Action == queue.Retry && delivery.ReceiveCount > manyReceives { // see MinReceives
		outcome.Delay = max(outcome.Delay, manyReceivesDelay)
	}
	report.Duration = s.Now().Sub(report.Started)
	report.Outcome = outcome
	s.Observer.Handled(ctx, *report)
	return outcome
}

// process runs the session, and records its result in the report.
func (s *Settler) process(ctx context.Context, delivery *queue.Delivery, report *Report) queue.Outcome {
	webhook, err := event.ParseMessage(delivery.Body)
	if err != nil {
		report.Reason = billing.UnreadableMessage
		return queue.Outcome{Action: queue.DeadLetter, Reason: string(billing.UnreadableMessage), Detail: err.Error()}
	}
	report.EventID, report.EventType = webhook.ID, webhook.Type
	if webhook.Type != event.PendingInvoiceCreated {
		return queue.Outcome{Action: queue.Ack}
	}
	report.InvoiceID = webhook.Invoice.ID

	current := &session{
		Settler: s,
		message: message{
			invoice:    webhook.Invoice,
			occurredAt: webhook.OccurredAt,
			sentAt:     delivery.SentAt,
			replayed:   delivery.Attributes[queue.AttributeReplayCount] != "",
		},
		lease:  newLease(s.Ledger, s.Now, s.Settings.Lease),
		report: report,
	}
	return current.outcome(ctx, current.settle(ctx, delivery))
}
