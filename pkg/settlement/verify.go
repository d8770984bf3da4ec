package settlement

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// verifyLines checks that every added line is once on the invoice in an answer. The answer may lack
// lines: verifyAllAdded reads them all once, before closing.
func (s *session) verifyLines(ctx context.Context, invoice billing.Invoice) error {
	if invoice.SubscriptionID != s.manifest.SubscriptionID { // only a read decides about that
		if err := s.saveProgress(ctx); err != nil {
			return err
		}
		var err error
		if invoice, err = s.pendingDraft(ctx); err != nil {
			return err
		}
	}
	missing, err := s.compareLines(invoice)
	s.linesSeen = true
	s.answerIncomplete = s.answerIncomplete || missing != ""
	return err
}

// verifyAllAdded reads the draft before closing, unless an answer to this session showed every added
// line.
func (s *session) verifyAllAdded(ctx context.Context) error {
	if !s.sentAny() || s.linesSeen && !s.answerIncomplete {
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
	missing, err := s.compareLines(draft)
	if err != nil || missing == "" {
		return err
	}
	return s.confirmMissing(ctx)
}

// confirmMissing rejects the invoice if an added line is still missing at a time when it must be
// visible: then it was removed.
func (s *session) confirmMissing(ctx context.Context) error {
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
	missing, err := s.compareLines(draft)
	if err == nil && missing != "" {
		err = &billing.Rejection{
			Reason: billing.LineRemoved,
			Detail: fmt.Sprintf("the line %s is no longer on %s", missing, draft.ID),
		}
	}
	return err
}

// compareLines looks for the added lines on the invoice. It returns the identity of one that is
// missing, and rejects an invoice that has a line more than once or changed its subscription.
func (s *session) compareLines(invoice billing.Invoice) (missing string, err error) {
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
			missing = line.Identity()
		}
	}
	return missing, nil
}

// errDuplicate returns the rejection of an invoice that has a line more than once.
func errDuplicate(line billing.Line, count int, invoiceID string) error {
	return &billing.Rejection{
		Reason: billing.DuplicateLine,
		Detail: fmt.Sprintf("the line %s is %d times on %s", line.Identity(), count, invoiceID),
	}
}
