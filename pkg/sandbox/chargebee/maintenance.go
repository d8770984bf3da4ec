package chargebee

import "net/http"

// SetMaintenance turns all calls with a valid key away with a refusal, e.g.
// ErrSiteNotReady, ErrBlocked or a Page, until it is called with nil.
// ErrSiteReadOnly leaves GETs as they are. Persons, automatic closes and
// webhooks go on.
func (s *Service) SetMaintenance(refusal *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maintenance = refusal
}

// maintained is what a call is turned away with at present; nil: it is not.
func (s *Service) maintained(call *call) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal := s.maintenance
	if refusal != nil && refusal.Code == ErrSiteReadOnly.Code && call.method == http.MethodGet {
		return nil
	}
	return refusal
}
