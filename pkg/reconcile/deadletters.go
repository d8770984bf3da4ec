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

// checkDeadLetters reports invoices that only a dead letter could resume, and that have none: those that
// hold claims, and those that are rejected and still pending at Chargebee. It browses the dead-letter
// queue only if necessary, because that hides its messages from other readers.
func (s *sweep) checkDeadLetters(ctx context.Context) error {
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
	if len(held)+len(s.rejected) == 0 {
		return nil
	}
	complete, err := s.DeadLetters.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			id := invoiceOf(message)
			delete(held, id)
			delete(s.rejected, id)
		}
		return len(held)+len(s.rejected) > 0
	})
	if err != nil {
		return fmt.Errorf("browse dead letters: %w", err)
	}
	s.addWithoutDeadLetter(held, complete, finding.Finding{
		Name: "orphaned_claims", Level: finding.Error,
		Message:  "events are claimed for invoices without a dead letter: nothing will bill them",
		Solution: "inspect each with consumer invoice show ID, and let Chargebee resend its webhook: any message resumes it",
	})
	s.addWithoutDeadLetter(s.rejected, complete, finding.Finding{
		Name: "rejected_without_dead_letter", Level: finding.Error,
		Message:  "invoices were rejected, are pending at Chargebee, and have no dead letter: nothing will close them, and their own lines are not invoiced",
		Solution: "inspect each with consumer invoice show ID; then let Chargebee resend its webhook, or close it in Chargebee",
	})
	return nil
}

// addWithoutDeadLetter reports invoices without a dead letter. It is an error only if all dead letters
// were visited and the queue is empty.
func (s *sweep) addWithoutDeadLetter(found map[string]time.Time, complete bool, common finding.Finding) {
	switch {
	case !complete:
		common.Level = finding.Warning
		common.Message += " (not all dead letters could be read)"
		common.Solution = "sweep again when no other command reads the dead-letter queue"
	case s.result.Queue == nil || !s.result.Queue.Empty():
		common.Level = finding.Warning
		common.Message += " (their messages may be in the queue)"
		common.Solution = "sweep again when the queue is empty"
	}
	var invoices tally
	for id, at := range found {
		invoices.add(id, "", at)
	}
	s.addTally(invoices, common)
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
