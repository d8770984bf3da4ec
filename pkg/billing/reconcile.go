package billing

import (
	"cmp"
	"fmt"
)

// ReconcileInput is the input of Reconcile.
type ReconcileInput struct {
	Lines     []Line
	Cursor    int           // charges below it were added
	InDoubt   bool          // the line at the cursor may have been added
	Closing   bool          // the state of the record is or was Closing: all charges were added
	Previous  Dispositions  // of an earlier result; only its unknown lines are decided again
	Originals []InvoiceLine // the lines of the invoice before those of the plan

	Final *Invoice // the invoice that the draft became, with all its lines; nil if none was found

	// NotCharged is an operator's assertion that lines that are not found were not charged.
	NotCharged bool
}

// ReconcileResult holds the dispositions of the lines of a draft that is no longer pending.
type ReconcileResult struct {
	Dispositions Dispositions

	// Certain reports that there is a final invoice, and that each charge is on it, was never sent, or was decided
	// before. Later reads cannot change such a result.
	Certain bool

	Outcome Outcome // empty if the invoice is rejected
	Reason  Reason  // empty if it is not
	Detail  string
}

// Reconcile decides what became of each line of a draft that is no longer pending.
func Reconcile(in ReconcileInput) ReconcileResult {
	final := Invoice{}
	if in.Final != nil {
		final = *in.Final
	}
	found := Recognize(final, in.Lines, in.Originals)
	dispositions := make([]byte, len(in.Lines))
	result := ReconcileResult{Certain: in.Final != nil}
	duplicate := "" // a charge that is more than once on the final invoice
	for i, line := range in.Lines {
		disposition := in.decide(i, line, found)
		dispositions[i] = byte(disposition)
		if disposition == ChargeUnknown && found.Counts[i] > 1 {
			duplicate = line.Identity()
		}
		if line.IsCharge() && disposition != Charged && !in.wasDecided(i) && !in.wasNeverSent(i) {
			result.Certain = false
		}
	}
	result.Dispositions = Dispositions(dispositions)
	result.setOutcome(in, duplicate)
	return result
}

// wasDecided reports whether an earlier result has the disposition of the i-th line.
func (in ReconcileInput) wasDecided(i int) bool {
	return in.Previous != "" && in.Previous.Of(i) != ChargeUnknown
}

// wasNeverSent reports whether no call was ever made for the i-th line.
func (in ReconcileInput) wasNeverSent(i int) bool {
	return in.Previous == "" && (i > in.Cursor || i == in.Cursor && !in.InDoubt)
}

// decide returns the disposition of the i-th line.
func (in ReconcileInput) decide(i int, line Line, found Recognized) Disposition {
	isInDoubt := in.InDoubt && i == in.Cursor
	switch count := found.Counts[i]; {
	case in.wasDecided(i):
		return in.Previous.Of(i)
	case line.IsCredit():
		return NotCharged
	case !line.IsCharge() && in.Closing: // its events are billed with those of the charges
		return Charged
	case !line.IsCharge():
		return NotCharged
	case count == 1:
		return Charged
	case count > 1:
		return ChargeUnknown
	case in.wasNeverSent(i), in.NotCharged:
		return NotCharged
	case isInDoubt && in.Final != nil && !found.Resembles(i): // the call had no effect
		return NotCharged
	default: // the line was added and is not found, or may have been added
		return ChargeUnknown
	}
}

// setOutcome sets the outcome or the reason that follows from the dispositions of the charges. duplicate is the
// identity of a charge that is more than once on the final invoice; empty if there is none.
func (r *ReconcileResult) setOutcome(in ReconcileInput, duplicate string) {
	var charges, unknown, notCharged int
	var firstUnknown string
	for i, line := range in.Lines {
		if !line.IsCharge() {
			continue
		}
		charges++
		switch r.Dispositions.Of(i) {
		case ChargeUnknown:
			unknown++
			firstUnknown = cmp.Or(firstUnknown, line.Identity())
		case NotCharged:
			notCharged++
		}
	}
	switch {
	case charges == 0:
		r.Outcome = Gone
	case unknown == 0 && notCharged == 0:
		r.Outcome = Closed
	case duplicate != "":
		r.Reason = DuplicateLine
		r.Detail = fmt.Sprintf("the line %s is more than once on %s", duplicate, in.Final.ID)
	case unknown > 0 && in.Final == nil:
		r.Reason = SuccessorUnknown
		r.Detail = fmt.Sprintf("the draft is no longer pending and no invoice of the customer has its lines; %d of %d lines may have been charged", unknown, charges)
	case unknown > 0:
		r.Reason = LineRemoved
		r.Detail = fmt.Sprintf("%d of %d lines that were or may have been charged are not on %s, the first is the line %s", unknown, charges, in.Final.ID, firstUnknown)
	default:
		r.Reason = InvoiceNotPending
		r.Detail = fmt.Sprintf("the invoice was closed or deleted before %d of %d lines were charged; their events are unbilled again", notCharged, charges)
	}
}
