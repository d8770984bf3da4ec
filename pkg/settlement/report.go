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
	SendingSince   int64 // unix seconds; not 0 while a line is in doubt
	Attempts       int

	Repeated       bool // an earlier session had finished the invoice
	UnknownInvoice bool // Chargebee had no such invoice when it was first read

	Events         int // claimed by this session
	Lines          int
	CarriedForward int // events of credits that stay unbilled for the next invoice
	Billed         Billed

	Outcome     queue.Outcome
	DeferReason string // why the message is retried; empty otherwise
	Err         error  // unexpected

	Started  time.Time
	Duration time.Duration
}

// Billed is the sum of what a session billed when it finished the invoice. It is zero if nothing was
// charged.
type Billed struct {
	CurrencyCode string
	Events       int
	Lines        int
	Amount       int64 // of the lines, in minor units
}

// ClosedWithoutCharges reports whether the session closed the invoice without a line of Billable.
func (r Report) ClosedWithoutCharges() bool {
	return r.InvoiceOutcome == billing.Closed && r.Billed.Lines == 0
}

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
