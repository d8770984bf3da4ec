package chargebee

import (
	"fmt"
	"slices"
)

var deleteParameters = parameters{
	{name: "comment", kind: text, max: 300},
}

// deleteOne is POST /invoices/{id}/delete. The record stays in lists that
// include deleted ones, and is not found otherwise.
//
// https://apidocs.chargebee.com/docs/api/invoices/delete-an-invoice
func (s *Service) deleteOne(call *call, _ fields) (any, error) {
	invoice, err := s.remove(call.invoiceID, call.causing(EventInvoiceDeleted))
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.answerPage()), nil
}

func (s *Service) remove(id string, cause cause) (Invoice, error) {
	return s.change(id, cause, func(invoice *Invoice) error {
		if invoice.AmountPaid != 0 {
			return wrongState("The invoice " + id + " has payments and cannot be deleted")
		}
		invoice.Deleted = true
		return nil
	})
}

var deleteLineItemsParameters = parameters{
	{name: "line_items[id]", kind: text, required: true, max: 40, indexed: true},
}

// deleteLineItems is POST /invoices/{id}/delete_line_items.
//
// https://apidocs.chargebee.com/docs/api/invoices/delete-line-items-from-a-pending-invoice
func (s *Service) deleteLineItems(call *call, fields fields) (any, error) {
	invoice, err := s.change(call.invoiceID, call.causing(EventPendingInvoiceUpdated), func(invoice *Invoice) error {
		if err := invoice.requirePending(); err != nil {
			return err
		}
		for i, id := range fields.indexed["line_items[id]"] {
			if !invoice.drop(id) {
				return notFound(id, fmt.Sprintf("line_items[id][%d]", i))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.answerPage()), nil
}

// drop takes a line off the invoice, if it is there.
func (i *Invoice) drop(lineID string) bool {
	before := len(i.LineItems)
	i.LineItems = slices.DeleteFunc(i.LineItems, func(line LineItem) bool { return line.ID == lineID })
	return len(i.LineItems) < before
}
