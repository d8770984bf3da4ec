package settlement

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// verifyLines checks that the invoice in a response has no added line twice, and records whether the response
// has all added lines. If any response lacks one, verifyAllAdded reads the draft later.
func (s *session) verifyLines(ctx context.Context, invoice billing.Invoice) error {
	if invoice.SubscriptionID != s.manifest.SubscriptionID { // a read decides whether the subscription changed
		if err := s.saveProgress(ctx); err != nil {
			return err
		}
		var err error
		if invoice, err = s.pendingDraft(ctx); err != nil {
			return err
		}
	}
	lostLine, err := s.compareLines(invoice)
	s.linesSeen = true
	s.answerIncomplete = s.answerIncomplete || lostLine != ""
	return err
}

// verifyAllAdded checks that all added lines are on the draft. It reads the draft unless every response in this
// session showed them.
func (s *session) verifyAllAdded(ctx context.Context) error {
	shownAll := s.linesSeen && !s.answerIncomplete
	if shownAll || !s.sentAny() {
		return nil
	}
	if err := s.saveProgress(ctx); err != nil {
		return err
	}
	draft, err := s.pendingDraft(ctx)
	if err != nil {
		return err
	}
	s.linesSeen, s.answerIncomplete = true, false
	lostLine, err := s.compareLines(draft)
	if err != nil || lostLine == "" {
		return err
	}
	return s.confirmRemoved(ctx)
}

// confirmRemoved rejects the invoice if an added line is still not on it after MaxEffectDelay: an operator
// removed the line.
func (s *session) confirmRemoved(ctx context.Context) error {
	if err := s.saveProgress(ctx); err != nil {
		return err
	}
	if err := retry.Wait(ctx, s.Settings.MaxEffectDelay, nil); err != nil {
		return err
	}
	draft, err := s.pendingDraft(ctx)
	if err != nil {
		return err
	}
	lostLine, err := s.compareLines(draft)
	if err == nil && lostLine != "" {
		err = &billing.Rejection{
			Reason: billing.LineRemoved,
			Detail: fmt.Sprintf("the line %s is no longer on %s", lostLine, draft.ID),
		}
	}
	return err
}

// compareLines looks for the added lines on the invoice. It returns the identity of one that is not on it;
// empty if all are. The error is a rejection if a line is there more than once, or the subscription changed.
func (s *session) compareLines(invoice billing.Invoice) (lostLine string, err error) {
	if invoice.SubscriptionID != s.manifest.SubscriptionID {
		return "", &billing.Rejection{
			Reason: billing.InvoiceChanged,
			Detail: fmt.Sprintf("%s was of subscription %q when it was planned, and is of %q: remove the lines of the plan, release the claims, then replay", invoice.ID, s.manifest.SubscriptionID, invoice.SubscriptionID),
		}
	}
	found := billing.Recognize(invoice, s.plan.Lines, s.manifest.Originals)
	for i, line := range s.plan.Lines[:s.added] {
		switch count := found.Counts[i]; {
		case !line.IsCharge():
		case count > 1:
			return "", errDuplicate(line, count, invoice.ID)
		case count == 0:
			lostLine = line.Identity()
		}
	}
	return lostLine, nil
}

// errDuplicate returns the rejection of an invoice that has a line more than once.
func errDuplicate(line billing.Line, count int, invoiceID string) error {
	return &billing.Rejection{
		Reason: billing.DuplicateLine,
		Detail: fmt.Sprintf("the line %s is %d times on %s", line.Identity(), count, invoiceID),
	}
}
