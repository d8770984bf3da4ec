package billing

import (
	"cmp"
	"fmt"
)

// ReconcileInput is the input of Reconcile.
type ReconcileInput struct {
	Lines     []Line
	Cursor    int           // lines below it were added
	InDoubt   bool          // the line at the cursor may have been added
	Closing   bool          // the session was closing the draft
	Previous  Dispositions  // an earlier result: only its unknown lines are decided again
	Originals []InvoiceLine // the lines of the invoice before those of the plan

	Final *Invoice // the invoice that the draft became, with all its lines; nil if none was found

	// NotCharged is an operator's assertion that lines that are not found were not charged. It does
	// not apply to a line that is found more than once.
	NotCharged bool
}

// ReconcileResult holds the dispositions of the lines of a draft that is no longer pending.
type ReconcileResult struct {
	Dispositions Dispositions

	// Certain reports that the result follows from lines that were found, and not from the absence
	// of any. It cannot change when a later read shows more.
	Certain bool

	Outcome Outcome // if nothing is left for an operator
	Reason  Reason  // otherwise
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
	duplicate := ""
	for i, line := range in.Lines {
		disposition, count := in.decide(i, line, found)
		dispositions[i] = byte(disposition)
		if count > 1 {
			duplicate = line.Identity()
		}
		if line.IsCharge() && disposition != Charged && !in.isDecided(i) {
			result.Certain = false
		}
	}
	result.Dispositions = Dispositions(dispositions)
	result.setOutcome(in, duplicate)
	return result
}

// isDecided reports whether the disposition of the i-th line does not depend on what is found.
func (in ReconcileInput) isDecided(i int) bool {
	return in.neverSent(i) || in.Previous != "" && in.Previous.Of(i) != ChargeUnknown
}

// neverSent reports whether no call was ever made for the i-th line.
func (in ReconcileInput) neverSent(i int) bool {
	return in.Previous == "" && (i > in.Cursor || i == in.Cursor && !in.InDoubt)
}

// decide returns the disposition of the i-th line, and how many times it is on the final invoice.
func (in ReconcileInput) decide(i int, line Line, found Recognized) (disposition Disposition, count int) {
	count = found.Counts[i]
	switch {
	case in.Previous != "" && in.Previous.Of(i) != ChargeUnknown:
		return in.Previous.Of(i), 1
	case line.IsCredit():
		return NotCharged, 0
	case !line.IsCharge() && in.Closing:
		return Charged, 0
	case !line.IsCharge():
		return NotCharged, 0
	case count == 1:
		return Charged, count
	case count > 1:
		return ChargeUnknown, count
	case in.neverSent(i):
		return NotCharged, 0
	case i == in.Cursor && in.InDoubt && in.Final != nil && !found.Resembles(i):
		return NotCharged, 0
	case in.NotCharged:
		return NotCharged, 0
	default:
		return ChargeUnknown, 0
	}
}

func (r *ReconcileResult) setOutcome(in ReconcileInput, duplicate string) {
	var charges, unknown, notCharged int
	var missing string // the first line that may have been charged
	for i, line := range in.Lines {
		if !line.IsCharge() {
			continue
		}
		charges++
		switch r.Dispositions.Of(i) {
		case ChargeUnknown:
			unknown++
			missing = cmp.Or(missing, line.Identity())
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
		r.Detail = fmt.Sprintf("%d of %d lines that were or may have been charged are not on %s, the first is the line %s", unknown, charges, in.Final.ID, missing)
	default:
		r.Reason = InvoiceNotPending
		r.Detail = fmt.Sprintf("the invoice was closed or deleted before %d of %d lines were charged; their events are unbilled again", notCharged, charges)
	}
}
