package chargebee

import (
	"iter"
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

// erase removes a record. The caller holds s.mu.
func (s *Service) erase(erased *record) {
	delete(s.invoices, erased.invoice.ID)
	at, _ := slices.BinarySearchFunc(s.order, erased.sequence, func(r *record, sequence int) int {
		return r.sequence - sequence
	})
	s.order = slices.Delete(s.order, at, at+1)
	s.keepErased(erased)
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

// change edits an invoice and emits the event, unless the edit fails: then nothing changes.
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
	s.emit(cause, changed, "")
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
}

// retrieve returns GET /invoices/{id}.
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
	return s.show(s.inSchema(call, invoice), page), nil
}

// Invoice returns a snapshot of one invoice, with all its lines.
func (s *Service) Invoice(id string) (Invoice, bool) {
	s.enter()
	defer s.mu.Unlock()
	found, ok := s.invoices[id]
	if !ok {
		return Invoice{}, false
	}
	return found.invoice.clone(), true
}

// Invoices returns a snapshot of all invoice records with all their lines, in the
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

// version is the content of a record until a time (exclusive).
type version struct {
	until   time.Time
	invoice *Invoice // nil: it was not there yet
}

// remember keeps what a record was until now, as far as GETs may look back.
// The caller holds s.mu.
func (s *Service) remember(changing *record, was *Invoice) {
	if s.config.MaxReadLag <= 0 {
		return
	}
	now := s.config.Now()
	horizon := now.Add(-s.config.MaxReadLag)
	forgotten := 0
	for forgotten < len(changing.past) && !changing.past[forgotten].until.After(horizon) {
		forgotten++
	}
	changing.past = append(slices.Delete(changing.past, 0, forgotten), version{until: now, invoice: was})
}

// keepErased keeps an erased record for GETs that lag. The caller holds s.mu.
func (s *Service) keepErased(erased *record) {
	if s.config.MaxReadLag <= 0 {
		return
	}
	s.remember(erased, erased.invoice)
	horizon := s.config.Now().Add(-s.config.MaxReadLag)
	forgotten := 0
	for forgotten < len(s.erased) && !s.erased[forgotten].lastSeen().After(horizon) {
		forgotten++
	}
	s.erased = append(slices.Delete(s.erased, 0, forgotten), erased)
}

// lastSeen returns when an erased record went.
func (r *record) lastSeen() time.Time { return r.past[len(r.past)-1].until }

// at returns what a record was at a moment; nil: it was not there.
func (r *record) at(moment time.Time) *Invoice {
	for _, version := range r.past {
		if version.until.After(moment) {
			return version.invoice
		}
	}
	return r.invoice
}

// seen returns the records as a GET sees them, each with its invoice by then. The
// caller holds s.mu.
func (s *Service) seen(call *call) iter.Seq2[*record, *Invoice] {
	moment := s.config.Now().Add(-call.lag)
	return func(yield func(*record, *Invoice) bool) {
		for _, record := range s.order {
			if invoice := record.at(moment); invoice != nil && !yield(record, invoice) {
				return
			}
		}
		for _, record := range s.erased {
			if invoice := record.at(moment); invoice != nil && record.lastSeen().After(moment) && !yield(record, invoice) {
				return
			}
		}
	}
}

// read returns the invoice that a GET is about, as it sees it.
func (s *Service) read(call *call) (Invoice, error) {
	s.enter()
	defer s.mu.Unlock()
	moment := s.config.Now().Add(-call.lag)
	found, ok := s.invoices[call.invoiceID]
	if !ok {
		at := slices.IndexFunc(s.erased, func(r *record) bool {
			return r.invoice.ID == call.invoiceID && r.lastSeen().After(moment)
		})
		if at < 0 {
			return Invoice{}, s.missing(call.invoiceID)
		}
		found = s.erased[at]
	}
	invoice := found.at(moment)
	if invoice == nil || invoice.Deleted && !s.config.ShowsDeleted {
		return Invoice{}, notFound(call.invoiceID, "")
	}
	return *invoice, nil
}

// removeLine removes a line and reports whether it existed.
func (i *Invoice) removeLine(lineID string) bool {
	before := len(i.LineItems)
	i.LineItems = slices.DeleteFunc(i.LineItems, func(line LineItem) bool { return line.ID == lineID })
	return len(i.LineItems) < before
}
