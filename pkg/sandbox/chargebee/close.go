package chargebee

import (
	"net/http"
	"strconv"
)

var closeParameters = parameters{
	{name: "comment", kind: text, max: 300},
	{name: "invoice_note", kind: text, max: 2000},
	{name: "remove_general_note", kind: boolean},
	{name: "notes_to_remove[entity_type]", kind: text, max: 50, indexed: true},
	{name: "notes_to_remove[entity_id]", kind: text, max: 100, indexed: true},
	timestamp("invoice_date"),
}

var (
	errNothingToClose = &Error{
		Status: http.StatusBadRequest, Type: invalidRequest, Code: "invalid_request",
		Message: "The invoice cannot be closed as it has no line items",
	}
	errInvoiceDate = incompatible("The site does not allow to set the date of an invoice", "invoice_date")
)

// closePending is POST /invoices/{id}/close.
//
// https://apidocs.chargebee.com/docs/api/invoices/close-a-pending-invoice
func (s *Service) closePending(call *call, fields fields) (any, error) {
	if fields.has("invoice_date") {
		return nil, errInvoiceDate
	}
	invoice, err := s.issue(call.invoiceID, call.causing(EventInvoiceGenerated), fields)
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.answerPage()), nil
}

// issue closes a pending invoice: a new record with a number of its own takes
// the place of the draft, which is deleted without an event.
func (s *Service) issue(id string, cause cause, fields fields) (Invoice, error) {
	s.enter()
	defer s.mu.Unlock()
	draft, err := s.find(id)
	if err != nil {
		return Invoice{}, err
	}
	return s.replace(draft, cause, fields)
}

// replace is issue for a record. The invoice is there with an error too, if it
// was issued in spite of it. The caller holds s.mu.
func (s *Service) replace(draft *record, cause cause, fields fields) (Invoice, error) {
	invoice := draft.invoice.clone()
	if err := invoice.requirePending(); err != nil {
		return Invoice{}, err
	}
	if len(invoice.LineItems) == 0 {
		return Invoice{}, errNothingToClose
	}
	status, stays, failure := s.collect(invoice)
	if stays {
		return Invoice{}, failure
	}

	now := s.config.Now()
	s.numbered++
	invoice.ID, invoice.DraftID = strconv.Itoa(s.numbered), invoice.ID
	if !s.config.KeepDate {
		invoice.Date = now.Unix()
	}
	invoice.DueDate = invoice.Date + int64(invoice.NetTermDays)*24*60*60
	invoice.GeneratedAt = now.Unix()
	invoice.Notes = closingNotes(invoice.Notes, fields)
	invoice.settle(status, now.Unix())
	invoice.touch(now)

	if s.config.NewLineIDs {
		for i := range invoice.LineItems {
			invoice.LineItems[i].ID = s.newID("li_")
		}
	}

	s.erase(draft)
	s.closedDrafts[draft.invoice.ID] = true
	s.add(invoice)
	s.emit(cause, invoice)
	return invoice, failure
}

// settle sets what an issued invoice owes. Nothing due is paid at once.
func (i *Invoice) settle(status string, now int64) {
	if i.AmountDue <= 0 {
		status = StatusPaid
	}
	i.Status = status
	if status == StatusPaid {
		i.PaidAt = now
		i.AmountPaid += i.AmountDue
		i.AmountDue, i.AmountToCollect = 0, 0
	}
}

// closingNotes takes away the notes that the caller does not want and adds its
// own. A note without an entity is the site's general one.
func closingNotes(notes []Note, fields fields) []Note {
	types, ids := fields.indexed["notes_to_remove[entity_type]"], fields.indexed["notes_to_remove[entity_id]"]
	removed := map[Note]bool{}
	for i := range min(len(types), len(ids)) {
		removed[Note{EntityType: types[i], EntityID: ids[i]}] = true
	}
	var kept []Note
	for _, note := range notes {
		general := note.EntityType == ""
		if general && fields.boolean("remove_general_note") ||
			removed[Note{EntityType: note.EntityType, EntityID: note.EntityID}] {
			continue
		}
		kept = append(kept, note)
	}
	if own := fields.text("invoice_note"); own != "" {
		kept = append(kept, Note{Note: own})
	}
	return kept
}
