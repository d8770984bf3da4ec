package billing

import "fmt"

// Reason is the reason of a rejection. Reasons are metric labels and command filters: there are no others.
type Reason string

// The reasons.
const (
	UnreadableMessage Reason = "unreadable_message"  // not a valid webhook event
	InvalidEvent      Reason = "invalid_event"       // a billable event that cannot be billed as stored
	CurrencyMismatch  Reason = "currency_mismatch"   // an event in another currency than the invoice's
	LineLimits        Reason = "line_limits"         // too many lines, or a too large amount or text
	AboveLimit        Reason = "above_limit"         // the charges exceed invoice.max_amount
	InvoiceChanged    Reason = "invoice_changed"     // the draft's subscription changed while it was being charged
	InvoiceNotPending Reason = "invoice_not_pending" // closed or deleted before it was charged completely
	SuccessorUnknown  Reason = "successor_unknown"   // the draft is no longer pending, and its final invoice cannot be found
	AmbiguousLine     Reason = "ambiguous_line"      // a line that may be of the plan, or that has the marker of another plan
	DuplicateLine     Reason = "duplicate_line"      // a line of the plan appears more than once on the invoice
	LineRemoved       Reason = "line_removed"        // a line that was or may have been added is not on the invoice
	ChargebeeRefused  Reason = "chargebee_refused"   // Chargebee refuses a charge
	CloseRefused      Reason = "close_refused"       // Chargebee refuses to close the invoice
	AttemptsExhausted Reason = "attempts_exhausted"  // too many sessions without progress
	TooOld            Reason = "too_old"             // the message is close to the age at which the queue deletes it
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		UnreadableMessage, InvalidEvent, CurrencyMismatch, LineLimits, AboveLimit, InvoiceChanged, InvoiceNotPending, SuccessorUnknown,
		AmbiguousLine, DuplicateLine, LineRemoved, ChargebeeRefused, CloseRefused, AttemptsExhausted, TooOld,
	}
}

// Rejection is the error that sends a message to the dead-letter queue.
type Rejection struct {
	Reason Reason
	Detail string // for the operator: what is wrong, and where
}

func (r *Rejection) Error() string { return fmt.Sprintf("%s: %s", r.Reason, r.Detail) }
