package settlement

import (
	"errors"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Report describes one session, for one log line and metrics.
type Report struct {
	MessageID string
	EventID   string
	EventType string
	InvoiceID string

	State          billing.State   // in which the record was left
	InvoiceOutcome billing.Outcome // of a finished invoice
	Reason         billing.Reason
	SendingSince   int64 // of the record
	Attempts       int   // of the record

	Repeated       bool // an earlier session had finished the invoice
	UnknownInvoice bool // Chargebee has no such invoice, and this session is the first to find that

	Events         int // claimed by this session
	Lines          int // of the plan, if this session read or wrote it
	CarriedForward int // events of credits that stay unbilled for the next invoice
	Billed         Billed

	Outcome     queue.Outcome
	DeferReason string // why the message is retried; empty if it is not
	Err         error  // any error that is not a deferral and not billing.ErrFenced

	Started  time.Time
	Duration time.Duration
}

// Billed is the sum of what is billed on an invoice that a session finished. It is zero if the session finished
// none, or released the events.
type Billed struct {
	CurrencyCode string
	Events       int
	Lines        int   // charges
	Amount       int64 // of the charges, in minor units
}

// ClosedWithoutCharges reports whether the session finished an invoice as closed without a charge. It is not valid
// if Repeated.
func (r Report) ClosedWithoutCharges() bool {
	return r.InvoiceOutcome == billing.Closed && r.Billed.Lines == 0
}

// recordEnd records how the session ended: the record as it was left, and the error.
func (r *Report) recordEnd(record billing.Record, err error) {
	r.State, r.InvoiceOutcome, r.Attempts = record.State, record.Outcome, record.Attempts
	r.SendingSince = record.SendingSince
	if record.State == billing.Rejected || record.State == billing.Releasing {
		r.Reason = record.Reason
	}
	var deferred *deferral
	switch {
	case err == nil:
	case errors.As(err, &deferred):
		r.DeferReason = deferred.reason
	case errors.Is(err, billing.ErrFenced):
		r.DeferReason = "another session has the lease of the invoice"
	default:
		r.DeferReason, r.Err = err.Error(), err
	}
}
