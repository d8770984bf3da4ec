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

// claims looks for invoices that hold claims although neither a message nor a dead letter
// leads to them: their events are never billed. The dead-letter queue is looked through
// only if there is something to look for, because that hides its messages for a while.
func (s *sweep) claims(ctx context.Context) error {
	held := map[string]time.Time{} // when they were last touched, by invoice
	for record, err := range s.Ledger.Records(ctx) {
		if err != nil {
			return fmt.Errorf("the ledger's heads: %w", err)
		}
		s.reportProgress()
		if record.HoldsClaims() && record.Pages > 0 && s.isIdle(record) {
			held[record.InvoiceID] = time.Unix(record.UpdatedAt, 0).UTC()
		}
	}
	for _, one := range s.result.Enqueued { // a message leads to them from now on
		delete(held, one.InvoiceID)
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
		return fmt.Errorf("dead letters: %w", err)
	}
	s.addOrphanedClaims(held, complete)
	return nil
}

// findHeld tells of claims without a letter. Only if all letters were seen, and no message
// is in the queue, is it sure that there is none.
func (s *sweep) addOrphanedClaims(held map[string]time.Time, complete bool) {
	found := Finding{Finding: finding.Finding{
		Name: orphanedClaims, Level: finding.Error,
		Message: "events are claimed for invoices that no dead letter leads to: they are never billed as it is",
		Remedy:  "look at each with consumer invoice show ID, and have Chargebee send its webhook again: any message resumes it",
	}}
	switch {
	case !complete:
		found.Level = finding.Warning
		found.Message = "events are claimed for invoices of which no dead letter was seen; not all could be seen, so whether there is one is not known"
		found.Remedy = "sweep again once nobody else reads the dead-letter queue"
	case s.result.Queue == nil || !s.result.Queue.Empty():
		found.Level = finding.Warning
		found.Message = "events are claimed for invoices that no dead letter leads to; their messages may be among those in the queue"
		found.Remedy = "sweep again once the queue is empty"
	}
	var invoices tally
	for id, touched := range held {
		invoices.add(id, "", touched)
	}
	s.addTally(&invoices, found)
}

// invoiceOf is the invoice that a letter is about. Its body counts more than its
// attributes, which messages from elsewhere may lack.
func invoiceOf(message queue.Message) string {
	webhook, err := event.ParseMessage(message.Body)
	if err != nil {
		return message.Attributes[queue.AttributeInvoiceID]
	}
	return cmp.Or(webhook.Invoice.ID, message.Attributes[queue.AttributeInvoiceID])
}
