package chargebee

import "fmt"

// What people do in Chargebee's own pages. No limit, key or lock stands in
// their way; the state of the invoice does. Errors are of type *Error, as the
// API's, unless an amount becomes too large.

// EditInvoice changes a pending invoice: for instance an edit without a
// SubscriptionID, and with a line of another subscription, makes it
// consolidated. The totals follow the lines. Neither the id of the invoice nor
// the Service may be changed by edit.
func (s *Service) EditInvoice(invoiceID string, edit func(*Invoice)) error {
	_, err := s.change(invoiceID, cause{EventPendingInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		edit(invoice)
		return nil
	})
	return err
}

// EditLine changes one line of a pending invoice. Neither the line's id nor the
// Service may be touched by edit.
func (s *Service) EditLine(invoiceID, lineID string, edit func(*LineItem)) error {
	_, err := s.change(invoiceID, cause{EventPendingInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		for i := range invoice.LineItems {
			if invoice.LineItems[i].ID == lineID {
				edit(&invoice.LineItems[i])
				return nil
			}
		}
		return notFound(lineID, "")
	})
	return err
}

// RemoveLine takes one line off a pending invoice.
func (s *Service) RemoveLine(invoiceID, lineID string) error {
	_, err := s.change(invoiceID, cause{EventPendingInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		if !invoice.drop(lineID) {
			return notFound(lineID, "")
		}
		return nil
	})
	return err
}

// AddLine puts a line on a pending invoice and returns its id. A field left
// zero gets what a one-time charge would have there.
func (s *Service) AddLine(invoiceID string, line LineItem) (lineID string, err error) {
	_, err = s.change(invoiceID, cause{EventPendingInvoiceUpdated, sourceConsole}, func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		line.ID = s.newID("li_")
		line.Object = "line_item"
		line.CustomerID = invoice.CustomerID
		line.TaxExemptReason = "tax_not_configured"
		if line.SubscriptionID == "" {
			line.SubscriptionID = invoice.SubscriptionID
		}
		if line.EntityType == "" {
			line.EntityType, line.PricingModel = EntityAdhoc, "flat_fee"
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

// CloseInvoice closes a pending invoice and returns the one that takes its
// place, with an error too if it was closed although its payment failed.
func (s *Service) CloseInvoice(invoiceID string) (Invoice, error) {
	invoice, err := s.issue(invoiceID, cause{EventInvoiceGenerated, sourceConsole}, fields{})
	return invoice.clone(), err
}

// DeleteInvoice deletes an invoice on which nothing was paid.
func (s *Service) DeleteInvoice(invoiceID string) error {
	_, err := s.remove(invoiceID, cause{EventInvoiceDeleted, sourceConsole})
	return err
}
