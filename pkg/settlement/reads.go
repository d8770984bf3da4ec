package settlement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// maxLinePages is the maximum number of pages of lines of one invoice. It exceeds billing.MaxLines, because a
// page may have one line.
const maxLinePages = 1000

// maxReads is the maximum number of reads of an invoice that changes while its pages are read.
const maxReads = 3

// readInvoice returns an invoice with all its lines. The error satisfies isNotFound if there is no such invoice.
// After any other failed call it is a deferral or errReload.
func (s *Settler) readInvoice(ctx context.Context, invoiceID string) (billing.Invoice, error) {
	invoice, err := s.fetchInvoice(ctx, invoiceID)
	if failure, ok := asFailure(err); ok {
		err = s.readError(failure)
	}
	return invoice, err
}

// fetchInvoice returns an invoice with all its lines. After a failed call the error is its *billing.Failure. If a
// page after the first is refused, it is a deferral instead: the invoice itself was not refused.
func (s *Settler) fetchInvoice(ctx context.Context, invoiceID string) (billing.Invoice, error) {
	for range maxReads {
		invoice, err := s.fetchPages(ctx, invoiceID)
		if !errors.Is(err, errChanged) {
			return invoice, err
		}
	}
	return billing.Invoice{}, deferFor(readAgainDelay, invoiceID+" changed while it was read")
}

// errChanged means that an invoice changed between two pages of its lines.
var errChanged = errors.New("settlement: the invoice changed while it was read")

// fetchPages reads the pages of an invoice's lines once. The error is errChanged, or one that fetchInvoice describes.
func (s *Settler) fetchPages(ctx context.Context, invoiceID string) (billing.Invoice, error) {
	invoice, err := s.fetchPage(ctx, billing.LinePage{InvoiceID: invoiceID})
	if err != nil {
		return invoice, err
	}
	seen := map[string]bool{}
	addIDs(seen, invoice.Lines)
	for pages := 1; invoice.NextOffset != ""; pages++ { //mutant:more-pages
		if pages == maxLinePages {
			return invoice, deferFor(readAgainDelay, fmt.Sprintf("%s has more than %d pages of lines", invoiceID, maxLinePages))
		}
		page, err := s.fetchPage(ctx, billing.LinePage{InvoiceID: invoiceID, Offset: invoice.NextOffset})
		failure, failed := asFailure(err)
		switch {
		case isNotFound(err):
			return invoice, errChanged
		case failed && isRefusal(failure):
			return invoice, deferFor(readAgainDelay, failure.Error())
		case err != nil:
			return invoice, err
		case page.Version != invoice.Version || page.Status != invoice.Status: //mutant:page-changed
			return invoice, errChanged
		case !addIDs(seen, page.Lines):
			return invoice, deferFor(readAgainDelay, fmt.Sprintf("page %d of the lines of %s has lines of the pages before", pages+1, invoiceID))
		}
		invoice.Lines = append(invoice.Lines, page.Lines...)
		invoice.NextOffset = page.NextOffset
	}
	return invoice, nil
}

// addIDs adds the ids of lines to seen, and reports whether seen had none of them.
func addIDs(seen map[string]bool, lines []billing.InvoiceLine) (allNew bool) {
	allNew = true
	for _, line := range lines {
		if line.ID == "" {
			continue
		}
		allNew = allNew && !seen[line.ID]
		seen[line.ID] = true
	}
	return allNew
}

// fetchPage returns an invoice with one page of its lines. For a deleted invoice the error satisfies isNotFound.
func (s *Settler) fetchPage(ctx context.Context, page billing.LinePage) (billing.Invoice, error) {
	var invoice billing.Invoice
	err := s.read(ctx, page.InvoiceID, func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		invoice, err = s.Invoices.Invoice(ctx, permit, page)
		return err
	})
	if err == nil && invoice.Deleted { //mutant:deleted-draft
		err = &billing.Failure{Kind: billing.Missing, Operation: "retrieve", Status: http.StatusNotFound, Message: page.InvoiceID + " is deleted"}
	}
	return invoice, err
}

// listInvoices returns one page of a list. If the response is too large, it reduces query.Limit. After a failed
// call the error is a deferral or errReload.
func (s *Settler) listInvoices(ctx context.Context, query *billing.InvoiceQuery) (billing.InvoicePage, error) {
	page, err := query.List(func(attempt billing.InvoiceQuery) (page billing.InvoicePage, err error) {
		id := cmp.Or(attempt.InvoiceID, attempt.SubscriptionID, attempt.CustomerID)
		err = s.read(ctx, id, func(ctx context.Context, permit *ratelimit.Permit) (err error) {
			page, err = s.Invoices.ListInvoices(ctx, permit, attempt)
			return err
		})
		return page, err
	})
	failure, failed := asFailure(err)
	switch {
	case !failed:
		return page, err
	case isRefusal(failure):
		return page, deferFor(readAgainDelay, failure.Error())
	default:
		return page, s.readError(failure)
	}
}

// readDraft reads the draft. missing reports that the draft does not exist or is not pending. If it does not
// exist, draft is zero.
//
// Chargebee does not document the response to a read with the id of a closed draft: if the read is refused
// other than by a 404, a list by the id decides.
func (s *session) readDraft(ctx context.Context) (draft billing.Invoice, missing bool, err error) {
	if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
		return draft, false, err
	}
	draft, err = s.fetchInvoice(ctx, s.invoice.ID)
	failure, failed := asFailure(err)
	switch {
	case err == nil && draft.Status == "":
		return draft, false, deferFor(readAgainDelay, "Chargebee shows "+s.invoice.ID+" without its status")
	case err == nil:
		return draft, !draft.Pending(), nil
	case isNotFound(err): //mutant:draft-missing
		return billing.Invoice{}, true, nil
	case failed && isRefusal(failure): //mutant:draft-refused
		return s.listDraft(ctx, failure)
	case failed:
		return draft, false, s.readError(failure)
	default:
		return draft, false, err
	}
}

// listDraft looks for the draft in a list by its id, after a read was refused. If the draft is listed as pending,
// the error is a deferral: its lines cannot be read now.
func (s *session) listDraft(ctx context.Context, refusal *billing.Failure) (draft billing.Invoice, missing bool, err error) {
	if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
		return draft, false, err
	}
	page, err := s.listInvoices(ctx, &billing.InvoiceQuery{InvoiceID: s.invoice.ID})
	if err != nil {
		return draft, false, err
	}
	at := slices.IndexFunc(page.Invoices, func(listed billing.Invoice) bool { return listed.ID == s.invoice.ID && !listed.Deleted })
	switch {
	case at < 0:
		return draft, true, nil
	case page.Invoices[at].Pending():
		return draft, false, s.readError(refusal)
	default:
		return page.Invoices[at], true, nil
	}
}

// pendingDraft returns the draft if it is pending. Otherwise it carries out resolveMissing, whose error is never nil.
func (s *session) pendingDraft(ctx context.Context) (billing.Invoice, error) {
	draft, missing, err := s.readDraft(ctx)
	if err == nil && missing {
		err = s.resolveMissing(ctx)
	}
	return draft, err
}
