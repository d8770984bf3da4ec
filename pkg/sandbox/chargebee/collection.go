package chargebee

// Collection is what becomes of the payment for an invoice that is being
// closed. Which of these Chargebee does when a payment fails is not documented.
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
