package chargebee

import (
	"cmp"
	"time"
)

// deadline is when a pending invoice closes by itself.
type deadline struct {
	at     time.Time
	record *record
}

// scheduleClose lets a new invoice close by itself when its time has come,
// unless something exempts it: what is said of the invoice counts more than
// what is said of its subscriptions, and that more than what is said of its
// customer. The caller holds s.mu.
func (s *Service) scheduleClose(pending *record, renewal Renewal) {
	if s.config.AutoClose <= 0 {
		return
	}
	customer := s.customers[pending.invoice.CustomerID]
	for _, id := range renewal.SubscriptionIDs {
		closes := cmp.Or(renewal.AutoClose, s.subscriptions[id].AutoClose, customer.AutoClose)
		if closes != nil && !*closes {
			return
		}
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
			_, _ = s.replace(due, cause{EventInvoiceGenerated, sourceScheduled}, fields{})
		}
	}
}
