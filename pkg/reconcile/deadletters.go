package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/queue"
)

// checkDeadLetters reports idle invoices without a dead letter: those for which events are claimed, and the
// pending ones that were rejected without claimed events. It browses the dead-letter queue only if there are
// such invoices, because that hides its messages from other readers.
func (s *sweep) checkDeadLetters(ctx context.Context) error {
	claiming := map[string]time.Time{} // last update by invoice with claimed events
	for record, err := range s.Ledger.Records(ctx) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		s.recordProgress()
		if hasClaimedEvents(record) && s.isIdle(record) {
			claiming[record.InvoiceID] = time.Unix(record.UpdatedAt, 0).UTC()
		}
	}
	for _, enqueued := range s.result.Enqueued { // they have a message, or in a dry run would have one
		delete(claiming, enqueued.InvoiceID)
	}
	if len(claiming)+len(s.rejected) == 0 {
		return nil
	}
	complete, err := s.DeadLetters.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			id := invoiceIDOf(message)
			delete(claiming, id)
			delete(s.rejected, id)
		}
		return len(claiming)+len(s.rejected) > 0
	})
	if err != nil {
		return fmt.Errorf("browse dead letters: %w", err)
	}
	s.addWithoutDeadLetter(claiming, complete, finding.Finding{
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

// hasClaimedEvents reports whether events may be claimed for the invoice, and at least one page was.
func hasClaimedEvents(record billing.Record) bool { return record.HoldsClaims() && record.Pages > 0 }

// addWithoutDeadLetter adds a finding about invoices without a dead letter, which have the given times. Its
// level becomes warning unless complete (all dead letters were visited) and the queue was empty.
func (s *sweep) addWithoutDeadLetter(times map[string]time.Time, complete bool, common finding.Finding) {
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
	for id, at := range times {
		invoices.add(id, "", at)
	}
	s.addTally(invoices, common)
}

// invoiceIDOf returns the invoice id in the body of a dead letter, or else in its attributes; empty without both.
func invoiceIDOf(message queue.Message) string {
	webhook, err := event.ParseMessage(message.Body)
	if err != nil {
		return message.Attributes[queue.AttributeInvoiceID]
	}
	return cmp.Or(webhook.Invoice.ID, message.Attributes[queue.AttributeInvoiceID])
}
