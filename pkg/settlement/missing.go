package settlement

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// resolveMissing decides what became of the lines of a missing draft. It reads the draft again first, because
// the read that showed it as missing may have been stale. It returns errReload after the decision, or if the
// draft is pending after all. It never returns nil.
func (s *session) resolveMissing(ctx context.Context) error {
	started := s.Now()
	if err := s.recordMissing(ctx, started); err != nil {
		return err
	}
	_, missing, err := s.readDraft(ctx)
	if err != nil {
		return err
	}
	//mutant:draft-gone
	if !missing {
		if err := s.clearMissing(ctx); err != nil {
			return err
		}
		return errReload
	}
	return s.reconcile(ctx, started)
}

// recordMissing records since when the draft is missing, if the record does not have it as missing yet.
func (s *session) recordMissing(ctx context.Context, since time.Time) error {
	if s.record().MissingSince != 0 {
		return nil
	}
	return s.lease.commit(ctx, func(step *billing.Step) {
		s.applyProgress(step)
		step.Record.MissingSince = since.Unix()
	})
}

// reconcile decides about each line by the final invoice, starts to settle the events, and returns errReload.
// started is the time before the first of the reads that the decision is based on.
func (s *session) reconcile(ctx context.Context, started time.Time) error {
	result, finalInvoiceID, err := s.reconcileWhenVisible(ctx, started)
	if err != nil {
		return err
	}
	s.recheck = false
	if err := s.startSettling(ctx, result, finalInvoiceID); err != nil {
		return err
	}
	return errReload
}

// reconcileWhenVisible searches the final invoice and decides about each line. A decision that is not Certain could
// change with later reads, because an invoice or a line may not be visible yet. It is valid only if the reads
// began at missingConfirmedAt or later; otherwise the message is deferred until that time.
func (s *session) reconcileWhenVisible(ctx context.Context, started time.Time) (result billing.ReconcileResult, finalInvoiceID string, err error) {
	search, err := s.findFinal(ctx, allFinal)
	if err != nil {
		return result, "", err
	}
	result = s.reconcileWith(search.best)
	if search.unreadable && !result.Certain {
		return result, "", deferFor(s.Settings.MaxEffectDelay, "an invoice that may be the final one is listed, and cannot be read")
	}
	if confirmedAt := s.Settings.missingConfirmedAt(s.record()); !result.Certain && started.Before(confirmedAt) { //mutant:gone-shows
		return result, "", s.deferUntil(confirmedAt, "the draft is no longer pending, and what became of its lines may not be visible yet")
	}
	if search.best != nil {
		finalInvoiceID = search.best.ID
	}
	return result, finalInvoiceID, nil
}

// reconcileWith decides about the lines of the plan by the final invoice. final is nil if none was found.
func (s *session) reconcileWith(final *billing.Invoice) billing.ReconcileResult {
	record := s.record()
	inDoubt := record.IsSending() && !record.Refused && s.added <= record.Cursor // sent, and neither refused nor added
	return billing.Reconcile(billing.ReconcileInput{
		Lines:      s.plan.Lines,
		Cursor:     max(record.Cursor, s.added),
		InDoubt:    inDoubt,
		Closing:    record.State == billing.Closing || record.Resume == billing.Closing,
		Previous:   record.Dispositions,
		Originals:  s.manifest.Originals,
		Final:      final,
		NotCharged: s.assertedNotCharged,
	})
}

// siteClockMargin exceeds any difference between the clocks of a process and of Chargebee. A larger margin
// would only add invoices to a search.
const siteClockMargin = time.Hour

// finalSearch is a search for the final invoice of a draft.
type finalSearch struct {
	best       *billing.Invoice // the most similar invoice so far, with all its lines; nil if none is similar
	similarity int              // of best to the draft
	unreadable bool             // a listed invoice was not found when it was read: list or read was stale
}

// finalScope selects the invoices that a search for the final invoice compares.
type finalScope int

const (
	allFinal         finalScope = iota
	withoutWithdrawn            // without voided and deleted invoices
)

// findFinal searches the invoices of the customer, updated since the manifest was made, for the one that the
// draft became. It is the most similar one (similarity).
//
// If none is similar and an operator asserted that the lines were not charged, findFinal also searches the
// invoices of the subscription. That list is independent of clocks and of the customer, but has no
// consolidated invoices: https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *session) findFinal(ctx context.Context, scope finalScope) (finalSearch, error) {
	var search finalSearch
	updatedAfter := time.Unix(s.manifest.ClaimedAt, 0).Add(-siteClockMargin)
	err := s.searchFinal(ctx, scope, &search, billing.InvoiceQuery{CustomerID: s.manifest.CustomerID, UpdatedAfter: updatedAfter.Unix()})
	if err == nil && search.best == nil && s.assertedNotCharged && s.manifest.SubscriptionID != "" {
		err = s.searchFinal(ctx, scope, &search, billing.InvoiceQuery{SubscriptionID: s.manifest.SubscriptionID})
	}
	return search, err
}

// searchFinal adds the invoices of a list to the search.
func (s *session) searchFinal(ctx context.Context, scope finalScope, search *finalSearch, query billing.InvoiceQuery) error {
	for {
		if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
			return err
		}
		page, err := s.listInvoices(ctx, &query)
		if err != nil {
			return err
		}
		for _, listed := range page.Invoices {
			if listed.Status == billing.StatusPending || scope == withoutWithdrawn && listed.IsWithdrawn() {
				continue
			}
			invoice, err := s.withAllLines(ctx, listed, search.similarity)
			switch {
			case isNotFound(err):
				search.unreadable = true
			case err != nil:
				return err
			default:
				if similarity := s.similarity(invoice); similarity > search.similarity {
					search.best, search.similarity = &invoice, similarity
				}
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Offset = page.Next
	}
}

// withAllLines returns a listed invoice with all its lines. It reads the invoice if the list may lack lines, or
// if it is more similar than the best invoice so far: the result of a search is never taken from a list.
func (s *session) withAllLines(ctx context.Context, listed billing.Invoice, bestSimilarity int) (billing.Invoice, error) {
	if len(listed.Lines) > 0 && !listed.MayLackLines() && s.similarity(listed) <= bestSimilarity {
		return listed, nil
	}
	if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
		return listed, err
	}
	return s.readInvoice(ctx, listed.ID)
}

// similarity returns how similar an invoice is to the draft, so that one marker outweighs all original lines:
//
//	original lines found + (original lines + 1) · markers of the plan found
//
// Lines of item prices do not count: another invoice may have an equal line for other events.
func (s *session) similarity(invoice billing.Invoice) int {
	similarity := 0
	for _, line := range invoice.Lines {
		if slices.ContainsFunc(s.manifest.Originals, func(original billing.InvoiceLine) bool { return original.ID == line.ID }) {
			similarity++
		}
	}
	found := billing.Recognize(invoice, s.plan.Lines, s.manifest.Originals)
	for i, line := range s.plan.Lines {
		if line.Marker != "" {
			similarity += (len(s.manifest.Originals) + 1) * found.Counts[i]
		}
	}
	return similarity
}
