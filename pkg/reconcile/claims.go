package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/queue"
)

// orphanedClaims is the name of the finding about claims that no message or dead letter refers to.
const orphanedClaims = "orphaned_claims"

// checkClaims reports invoices that hold claims although no message and no dead letter refers to
// them: their events are never billed. It browses the dead-letter queue only if necessary, because
// that hides its messages from other readers.
func (s *sweep) checkClaims(ctx context.Context) error {
	held := map[string]time.Time{} // last update by invoice
	for record, err := range s.Ledger.Records(ctx) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		s.recordProgress()
		if record.HoldsClaims() && record.Pages > 0 && s.isIdle(record) {
			held[record.InvoiceID] = time.Unix(record.UpdatedAt, 0).UTC()
		}
	}
	for _, enqueued := range s.result.Enqueued { // now they have a message
		delete(held, enqueued.InvoiceID)
	}
	if len(held) == 0 {
		return nil
	}
	complete, err := s.DeadLetters.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			delete(held, invoiceOf(message))
		}
		return len(held) > 0
	})
	if err != nil {
		return fmt.Errorf("browse dead letters: %w", err)
	}
	s.addOrphanedClaims(held, complete)
	return nil
}

// addOrphanedClaims reports claims without a dead letter. It is an error only if all dead letters
// were visited and the queue is empty.
func (s *sweep) addOrphanedClaims(held map[string]time.Time, complete bool) {
	found := Finding{Finding: finding.Finding{
		Name: orphanedClaims, Level: finding.Error,
		Message: "events are claimed for invoices without a dead letter: nothing will bill them",
		Remedy:  "inspect each with consumer invoice show ID, and let Chargebee resend its webhook: any message resumes it",
	}}
	switch {
	case !complete:
		found.Level = finding.Warning
		found.Message = "events are claimed for invoices without a dead letter among those that could be read; not all could"
		found.Remedy = "sweep again when no other command reads the dead-letter queue"
	case s.result.Queue == nil || !s.result.Queue.Empty():
		found.Level = finding.Warning
		found.Message = "events are claimed for invoices without a dead letter; their messages may be in the queue"
		found.Remedy = "sweep again when the queue is empty"
	}
	var invoices tally
	for id, updated := range held {
		invoices.add(id, "", updated)
	}
	s.addTally(invoices, found)
}

// invoiceOf returns the invoice of a dead letter. The body has precedence over the attributes, which
// messages from elsewhere may lack.
func invoiceOf(message queue.Message) string {
	webhook, err := event.ParseMessage(message.Body)
	if err != nil {
		return message.Attributes[queue.AttributeInvoiceID]
	}
	return cmp.Or(webhook.Invoice.ID, message.Attributes[queue.AttributeInvoiceID])
}
