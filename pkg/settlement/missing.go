package settlement

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// resolveMissing decides what became of the lines of a draft that does not exist or is not pending.
// It returns errReload once it has decided.
func (s *session) resolveMissing(ctx context.Context) error {
	started := s.Now()
	if s.record().MissingSince == 0 {
		err := s.lease.commit(ctx, func(step *billing.Step) {
			s.applyProgress(step)
			step.Record.MissingSince = started.Unix()
		})
		if err != nil {
			return err
		}
	}
	_, missing, err := s.readDraft(ctx)
	if err != nil {
		return err
	}
	//mutant:draft-gone
	if !missing { // the read before was stale
		if err := s.clearMissing(ctx); err != nil {
			return err
		}
		return errReload
	}
	return s.reconcile(ctx, started)
}

// reconcile decides about each line by the final invoice, and starts to settle the events.
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

// reconcileWhenVisible looks for the final invoice and decides about each line. A decision that
// follows from the absence of a line counts only if the reads started, at started, when everything
// must have been visible; otherwise the message is deferred until then.
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

// reconcileWith decides about the lines of the record by a final invoice; nil if there is none.
func (s *session) reconcileWith(final *billing.Invoice) billing.ReconcileResult {
	record := s.record()
	return billing.Reconcile(billing.ReconcileInput{
		Lines:      s.plan.Lines,
		Cursor:     max(record.Cursor, s.added),
		InDoubt:    record.IsSending() && !record.Refused && s.added <= record.Cursor,
		Closing:    record.State == billing.Closing || record.Resume == billing.Closing,
		Previous:   record.Dispositions,
		Originals:  s.manifest.Originals,
		Final:      final,
		NotCharged: s.assertedNotCharged,
	})
}

// siteClockMargin is more than any difference between the clocks of a process and of Chargebee. A list
// that starts earlier than necessary has some more invoices of the customer.
const siteClockMargin = time.Hour

// finalSearch is a search for the final invoice of a draft.
type finalSearch struct {
	best       *billing.Invoice // the most similar invoice so far, with all its lines; nil: none is similar
	similarity int              // of best
	unreadable bool             // an invoice was listed and could not be read: either the list or the read is stale
}

// finalScope selects the invoices that a search for the final invoice compares.
type finalScope int

const (
	allFinal         finalScope = iota
	withoutWithdrawn            // those that were voided do not count
)

// findFinal looks for the invoice that the draft became: of the customer's invoices the one with our
// markers, or else with most of the lines that were on the draft before.
//
// An assertion that lines were not charged counts only if the list of the subscription has no final
// invoice either. It is independent of the clock of a process, and of the customer of the draft. It
// has no consolidated invoices: https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *session) findFinal(ctx context.Context, scope finalScope) (finalSearch, error) {
	var search finalSearch
	updatedAfter := time.Unix(s.manifest.ClaimedAt, 0).Add(-siteClockMargin)
	err := s.searchFinal(ctx, scope, &search, billing.InvoiceQuery{CustomerID: s.manifest.CustomerID, UpdatedAfter: updatedAfter.Unix()})
	if err == nil && search.best == nil && s.assertedNotCharged && s.manifest.SubscriptionID != "" {
		err = s.searchFinal(ctx, scope, &search, billing.InvoiceQuery{SubscriptionID: s.manifest.SubscriptionID})
	}
	return search, err
}

// searchFinal compares the invoices of a list with the draft.
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

// withAllLines returns a listed invoice with all its lines. The list may lack some. An invoice is
// read if the list shows too few of its lines, or if it is the best candidate.
func (s *session) withAllLines(ctx context.Context, listed billing.Invoice, best int) (billing.Invoice, error) {
	if len(listed.Lines) > 0 && !listed.MayLackLines() && s.similarity(listed) <= best {
		return listed, nil
	}
	if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
		return listed, err
	}
	return s.readInvoice(ctx, listed.ID)
}

// similarity returns how similar an invoice is to the draft. A marker of the plan counts for more
// than all lines that were on the draft before. Lines of item prices do not count: an invoice with
// an equal line may charge other events, and events would be billed that were never charged.
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
