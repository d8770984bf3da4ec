package chargebee

import (
	"slices"
	"time"
)

// record is one invoice record of the site.
type record struct {
	sequence int           // position in the order of creation, from 1
	lock     chan struct{} // held by the POST that works on the invoice
	invoice  *Invoice      // guarded by Service.mu; replaced, never written into
	past     []version     // what it was before, the oldest first
}

// add makes a record of a new invoice. The caller holds s.mu.
func (s *Service) add(invoice Invoice) *record {
	s.created++
	added := &record{sequence: s.created, lock: make(chan struct{}, 1), invoice: &invoice}
	s.remember(added, nil)
	s.invoices[invoice.ID] = added
	s.order = append(s.order, added)
	return added
}

// erase deletes a record without a trace. The caller holds s.mu.
func (s *Service) erase(erased *record) {
	delete(s.invoices, erased.invoice.ID)
	at, _ := slices.BinarySearchFunc(s.order, erased.sequence, func(r *record, sequence int) int {
		return r.sequence - sequence
	})
	s.order = slices.Delete(s.order, at, at+1)
	s.bury(erased)
}

// find looks an invoice up; deleted ones are not found. The caller holds s.mu.
func (s *Service) find(id string) (*record, error) {
	found, ok := s.invoices[id]
	if !ok {
		return nil, s.missing(id)
	}
	if found.invoice.Deleted {
		return nil, notFound(id, "")
	}
	return found, nil
}

// missing returns the refusal of an id without a record. The caller holds s.mu.
func (s *Service) missing(id string) *Error {
	if s.closedDrafts[id] && s.config.ClosedDraft != nil {
		return s.config.ClosedDraft
	}
	return notFound(id, "")
}

// enter takes s.mu, and first does what is due by now: a call at the very
// moment of an automatic close finds the invoice closed.
func (s *Service) enter() {
	s.mu.Lock()
	s.closeDue()
}

// lock takes the lock of an invoice, waiting as long as the site does.
func (s *Service) lock(id string) (unlock func(), err error) {
	s.enter()
	found, err := s.find(id)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	unlock = func() { <-found.lock }
	select {
	case found.lock <- struct{}{}:
		return unlock, nil
	default:
	}
	if s.config.LockWait <= 0 {
		return nil, ErrLockTimeout
	}
	timer := time.NewTimer(s.config.LockWait)
	defer timer.Stop()
	select {
	case found.lock <- struct{}{}:
		return unlock, nil
	case <-timer.C:
		return nil, ErrLockTimeout
	}
}

// change edits an invoice and tells the endpoint, unless the edit fails: then
// nothing has happened.
func (s *Service) change(id string, cause cause, edit func(*Invoice) error) (Invoice, error) {
	s.enter()
	defer s.mu.Unlock()
	found, err := s.find(id)
	if err != nil {
		return Invoice{}, err
	}
	changed := found.invoice.clone()
	if err := edit(&changed); err != nil {
		return Invoice{}, err
	}
	if err := changed.updateTotals(); err != nil {
		return Invoice{}, err
	}
	changed.touch(s.config.Now())
	s.remember(found, found.invoice)
	found.invoice = &changed
	s.emit(cause, changed)
	return changed, nil
}

// touch marks a change.
func (i *Invoice) touch(now time.Time) {
	i.UpdatedAt = now.Unix()
	i.ResourceVersion = max(i.ResourceVersion+1, now.UnixMilli())
}

// requirePending refuses what can only be done to a pending invoice.
func (i *Invoice) requirePending() error {
	if i.Status != StatusPending {
		return wrongState("The invoice " + i.ID + " is not pending: its status is " + i.Status)
	}
	return nil
}

var retrieveParameters = parameters{
	{name: limitParameter, kind: integer, min: 1, max: 300},
	{name: offsetParameter, kind: text, max: 1000},
	{name: "line_item[subscription_id][is]", kind: text, max: 50},
	{name: "line_item[customer_id][is]", kind: text, max: 50},
}

// retrieve is GET /invoices/{id}.
//
// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
func (s *Service) retrieve(call *call, fields fields) (any, error) {
	invoice, err := s.read(call)
	if err != nil {
		return nil, err
	}
	page, err := s.requestedPage(invoice, fields)
	if err != nil {
		return nil, err
	}
	if fields.has("line_item[subscription_id][is]") || fields.has("line_item[customer_id][is]") {
		page.only = func(line LineItem) bool {
			return matches(fields, "line_item[subscription_id][is]", line.SubscriptionID) &&
				matches(fields, "line_item[customer_id][is]", line.CustomerID)
		}
	}
	return s.show(s.inSchema(call, invoice), page), nil
}

func matches(fields fields, name, value string) bool {
	return !fields.has(name) || fields.text(name) == value
}

// Invoice is a snapshot of one invoice, with all its lines.
func (s *Service) Invoice(id string) (Invoice, bool) {
	s.enter()
	defer s.mu.Unlock()
	found, ok := s.invoices[id]
	if !ok {
		return Invoice{}, false
	}
	return found.invoice.clone(), true
}

// Invoices is a snapshot of all invoice records with all their lines, in the
// order of their creation: pending, issued and deleted ones, but no draft that
// was closed.
func (s *Service) Invoices() []Invoice {
	s.enter()
	defer s.mu.Unlock()
	invoices := make([]Invoice, len(s.order))
	for i, record := range s.order {
		invoices[i] = record.invoice.clone()
	}
	return invoices
}
