package chargebee

import (
	"iter"
	"slices"
	"time"
)

// version is what a record was until a moment, that moment excluded.
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

// bury keeps an erased record for GETs that look back. The caller holds s.mu.
func (s *Service) bury(erased *record) {
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

// lastSeen is when an erased record went.
func (r *record) lastSeen() time.Time { return r.past[len(r.past)-1].until }

// at is what a record was at a moment; nil: it was not there.
func (r *record) at(moment time.Time) *Invoice {
	for _, version := range r.past {
		if version.until.After(moment) {
			return version.invoice
		}
	}
	return r.invoice
}

// seen are the records as a GET sees them, each with its invoice by then. The
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

// read is the invoice that a GET is about, as it sees it.
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
