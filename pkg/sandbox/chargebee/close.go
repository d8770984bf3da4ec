package chargebee

import (
	"net/http"
	"strconv"
	"time"
)

var closeParameters = parameters{
	{name: "comment", kind: text, max: 300},
	{name: "invoice_note", kind: text, max: 2000},
	timestamp("invoice_date"),
}

var (
	errNothingToClose = &Error{
		Status: http.StatusBadRequest, Type: invalidRequest, Code: "invalid_request",
		Message: "The invoice cannot be closed as it has no line items",
	}
	errInvoiceDate = incompatible("The site does not allow to set the date of an invoice", "invoice_date")
)

// closePending returns POST /invoices/{id}/close.
//
// https://apidocs.chargebee.com/docs/api/invoices/close-a-pending-invoice
func (s *Service) closePending(call *call, fields fields) (any, error) {
	if fields.has("invoice_date") {
		return nil, errInvoiceDate
	}
	invoice, err := s.issue(call.invoiceID, cause{EventInvoiceGenerated, sourceAPI})
	if err != nil {
		return nil, err
	}
	return s.show(invoice, s.responsePage()), nil
}

// issue closes a pending invoice: a new record with a number of its own takes
// the place of the draft, which is deleted without an event.
func (s *Service) issue(id string, cause cause) (Invoice, error) {
	s.enter()
	defer s.mu.Unlock()
	draft, err := s.find(id)
	if err != nil {
		return Invoice{}, err
	}
	return s.replace(draft, cause)
}

// replace returns issue for a record. The invoice is there with an error too, if it
// was issued in spite of it. The caller holds s.mu.
func (s *Service) replace(draft *record, cause cause) (Invoice, error) {
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
	invoice.DueDate = invoice.Date
	invoice.GeneratedAt = now.Unix()
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
	s.emit(cause, invoice, "")
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

// Collection is the result of the payment for an invoice that is being closed. What
// Chargebee does when a payment fails is not documented.
type Collection int

const (
	// CollectAsConfigured gives the invoice Config.ClosedStatus.
	CollectAsConfigured Collection = iota
	// CollectUnpaid closes the invoice as not_paid.
	CollectUnpaid
	// CollectRefused answers 400 payment_processing_failed, and the invoice
	// stays pending.
	CollectRefused
	// CollectRefusedButClosed answers the same, but has closed the invoice as
	// not_paid.
	CollectRefusedButClosed
)

// collect decides what a closed invoice becomes, or with what its closing
// fails. The caller holds s.mu.
func (s *Service) collect(invoice Invoice) (status string, stays bool, failure error) {
	if s.config.Collect == nil || invoice.AmountDue <= 0 {
		return s.config.ClosedStatus, false, nil
	}
	switch s.config.Collect(invoice.clone()) {
	case CollectUnpaid:
		return StatusNotPaid, false, nil
	case CollectRefused:
		return "", true, ErrPaymentFailed
	case CollectRefusedButClosed:
		return StatusNotPaid, false, ErrPaymentFailed
	default:
		return s.config.ClosedStatus, false, nil
	}
}

// deadline is the time at which a pending invoice closes by itself.
type deadline struct {
	at     time.Time
	record *record
}

// scheduleClose lets a new invoice close by itself when its time has come. The caller holds
// s.mu.
func (s *Service) scheduleClose(pending *record) {
	if s.config.AutoClose <= 0 {
		return
	}
	s.waiting = append(s.waiting, deadline{s.config.Now().Add(s.config.AutoClose), pending})
	time.AfterFunc(s.config.AutoClose, func() {
		s.enter()
		s.mu.Unlock()
	})
}

// closeDue closes the invoices whose time has come. One that cannot be closed
// stays pending. The caller holds s.mu.
func (s *Service) closeDue() {
	for len(s.waiting) > 0 && !s.config.Now().Before(s.waiting[0].at) {
		due := s.waiting[0].record
		s.waiting = s.waiting[1:]
		if found, err := s.find(due.invoice.ID); err == nil && found == due {
			_, _ = s.replace(due, cause{EventInvoiceGenerated, sourceScheduled})
		}
	}
}
