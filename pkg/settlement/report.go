package settlement

import (
	"errors"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Report tells about one handling: one wide event for log and metrics.
type Report struct {
	MessageID string
	EventID   string
	EventType string
	InvoiceID string

	State        billing.State // in which the head was left
	Result       billing.Result
	Reason       billing.Reason
	SendingSince int64 // unix seconds; not 0 while a line is in doubt
	Attempts     int

	Repeated bool // the invoice was finished before

	Events         int // claimed by this handling
	Lines          int
	CarriedForward int // events of credits that stay unbilled for the next invoice

	Outcome queue.Outcome
	Why     string // why the message comes back; empty otherwise
	Err     error  // what this program did not expect

	Started time.Time
	Took    time.Duration
}

func (r *Report) ended(head billing.Head, err error) {
	r.State, r.Result, r.Attempts = head.State, head.Outcome, head.Attempts
	r.SendingSince = head.SendingSince
	if head.State == billing.Rejected || head.State == billing.Releasing {
		r.Reason = head.Reason
	}
	var later *deferral
	switch {
	case err == nil:
	case errors.As(err, &later):
		r.Why = later.why
	case errors.Is(err, billing.ErrFenced):
		r.Why = "another handling holds the invoice"
	default:
		r.Why, r.Err = err.Error(), err
	}
}
