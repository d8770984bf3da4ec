package billing

import "fmt"

// Reason says why a message lies in the dead-letter queue. It is a closed set: a
// label of metrics and a filter of commands.
type Reason string

// The reasons.
const (
	UnreadableMessage Reason = "unreadable_message"  // no valid webhook event
	InvalidEvent      Reason = "invalid_event"       // a billable event that cannot be billed as stored
	CurrencyMismatch  Reason = "currency_mismatch"   // an event in another currency than the invoice's
	LineLimits        Reason = "line_limits"         // more lines or a larger amount than Chargebee takes
	AboveLimit        Reason = "above_limit"         // more than invoice.max_amount
	InvoiceChanged    Reason = "invoice_changed"     // the draft became one of other subscriptions while it was charged
	InvoiceNotPending Reason = "invoice_not_pending" // closed or deleted before our charges stood on it
	SuccessorUnknown  Reason = "successor_unknown"   // the draft is gone and no invoice carries its lines
	AmbiguousLine     Reason = "ambiguous_line"      // a line that may be ours, without its marker
	DuplicateLine     Reason = "duplicate_line"      // a marker that stands more than once
	LineRemoved       Reason = "line_removed"        // a line of ours that is no longer there
	ChargebeeRefused  Reason = "chargebee_refused"   // a charge that Chargebee does not take
	CloseRefused      Reason = "close_refused"       // a close that Chargebee does not do
	AttemptsExhausted Reason = "attempts_exhausted"  // too many handlings without progress
	TooOld            Reason = "too_old"             // not finished before the queue would forget it
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		UnreadableMessage, InvalidEvent, CurrencyMismatch, LineLimits, AboveLimit, InvoiceChanged, InvoiceNotPending, SuccessorUnknown,
		AmbiguousLine, DuplicateLine, LineRemoved, ChargebeeRefused, CloseRefused, AttemptsExhausted, TooOld,
	}
}

// Rejection ends the handling of a message: it goes to the dead-letter queue.
type Rejection struct {
	Reason Reason
	Detail string // for a person: what is wrong, and where
}

func (r *Rejection) Error() string { return fmt.Sprintf("%s: %s", r.Reason, r.Detail) }
