package chargebee

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Manual edits in Chargebee's user interface. They pass no rate limit, idempotency key or
// lock, but need the right state of the invoice. Errors are of type *Error, unless an amount
// becomes too large.

// editPending changes a pending invoice.
func (s *Service) editPending(invoiceID string, edit func(*Invoice) error) error {
	_, err := s.change(invoiceID, cause{EventPendingInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		return edit(invoice)
	})
	return err
}

// EditInvoice changes a pending invoice. For example, an edit that removes the
// SubscriptionID and adds a line of another subscription makes it consolidated. The totals
// follow the lines. edit must neither change the id of the invoice nor call the Service.
func (s *Service) EditInvoice(invoiceID string, edit func(*Invoice)) error {
	return s.editPending(invoiceID, func(invoice *Invoice) error {
		edit(invoice)
		return nil
	})
}

// EditLine changes one line of a pending invoice. edit must neither change the id of the
// line nor call the Service.
func (s *Service) EditLine(invoiceID, lineID string, edit func(*LineItem)) error {
	return s.editPending(invoiceID, func(invoice *Invoice) error {
		for i := range invoice.LineItems {
			if invoice.LineItems[i].ID == lineID {
				edit(&invoice.LineItems[i])
				return nil
			}
		}
		return notFound(lineID, "")
	})
}

// RemoveLine removes one line from a pending invoice.
func (s *Service) RemoveLine(invoiceID, lineID string) error {
	return s.editPending(invoiceID, func(invoice *Invoice) error {
		if !invoice.removeLine(lineID) {
			return notFound(lineID, "")
		}
		return nil
	})
}

// AddLine adds a line to a pending invoice and returns its id. Zero fields get the values
// of a one-time charge.
func (s *Service) AddLine(invoiceID string, line LineItem) (lineID string, err error) {
	err = s.editPending(invoiceID, func(invoice *Invoice) error {
		line.ID = s.newID("li_")
		line.Object = "line_item"
		line.CustomerID = invoice.CustomerID
		line.TaxExemptReason = "tax_not_configured"
		line.SubscriptionID = cmp.Or(line.SubscriptionID, invoice.SubscriptionID)
		if line.EntityType == "" {
			line.EntityType, line.PricingModel = EntityAdhoc, FlatFee
		}
		if line.Quantity == 0 {
			line.Quantity, line.UnitAmount = 1, line.Amount
		}
		if line.DateFrom == 0 && line.DateTo == 0 {
			line.DateFrom, line.DateTo = invoice.Date, invoice.Date
		}
		invoice.LineItems = append(invoice.LineItems, line)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("add a line to %s: %w", invoiceID, err)
	}
	return line.ID, nil
}

// CloseInvoice closes a pending invoice and returns the invoice that replaces it, with an
// error too if it was closed although its payment failed.
func (s *Service) CloseInvoice(invoiceID string) (Invoice, error) {
	invoice, err := s.issue(invoiceID, cause{EventInvoiceGenerated, sourceConsole})
	return invoice.clone(), err
}

// DeleteInvoice deletes an invoice on which nothing was paid. The record stays in lists that
// include deleted ones, and is not found otherwise.
//
// https://apidocs.chargebee.com/docs/api/invoices/delete-an-invoice
func (s *Service) DeleteInvoice(invoiceID string) error {
	_, err := s.change(invoiceID, cause{EventInvoiceDeleted, sourceConsole}, func(invoice *Invoice) error {
		if invoice.AmountPaid != 0 {
			return wrongState("The invoice " + invoiceID + " has payments and cannot be deleted")
		}
		invoice.Deleted = true
		return nil
	})
	return err
}

// VoidInvoice voids an issued invoice that is not paid.
//
// https://apidocs.chargebee.com/docs/api/invoices/void-an-invoice
func (s *Service) VoidInvoice(invoiceID string) error {
	_, err := s.change(invoiceID, cause{EventInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if !slices.Contains([]string{StatusPaymentDue, StatusPosted, StatusNotPaid}, invoice.Status) {
			return wrongState("The invoice " + invoiceID + " cannot be voided: its status is " + invoice.Status)
		}
		invoice.Status = StatusVoided
		return nil
	})
	return err
}

// RegenerateInvoice makes a new invoice for the subscription of one that was voided or deleted. It has
// no ad-hoc or other one-time charges. It is pending: Chargebee does not document when it is not.
//
// https://apidocs.chargebee.com/docs/api/subscriptions/regenerate-an-invoice
func (s *Service) RegenerateInvoice(invoiceID string) (Invoice, Event, error) {
	all := s.Invoices()
	at := slices.IndexFunc(all, func(invoice Invoice) bool { return invoice.ID == invoiceID })
	switch {
	case at < 0:
		return Invoice{}, Event{}, notFound(invoiceID, "")
	case !all[at].Deleted && all[at].Status != StatusVoided:
		return Invoice{}, Event{}, wrongState("The invoice " + invoiceID + " is neither voided nor deleted")
	}
	return s.Renew(Renewal{SubscriptionIDs: []string{all[at].SubscriptionID}, Date: time.Unix(all[at].Date, 0)})
}
