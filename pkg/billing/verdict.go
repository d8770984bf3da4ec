package billing

import (
	"fmt"
	"strings"
)

// The letters of a verdict, one per line of the plan.
const (
	Stands   = 's' // stands on the successor: its events are billed
	Released = 'r' // was never charged: its events are given back
	Held     = 'h' // may have been charged: a person has to look
)

// LeavesHeld tells whether a verdict leaves lines to a person: all letters but two do.
func LeavesHeld(verdict string) bool {
	return strings.Trim(verdict, string([]rune{Stands, Released})) != ""
}

// Evidence is what a verdict on the lines of a dead draft is made from.
type Evidence struct {
	Lines     []Line
	Cursor    int           // lines below it were added
	Doubt     bool          // the line at the cursor may have been added
	Closing   bool          // the draft was being closed by us
	Previous  string        // an earlier verdict: only its held lines are judged again
	Originals []InvoiceLine // the lines that were on the invoice before ours

	Successor *Invoice // with all its lines; nil when none was found

	// NotCharged says that a person vouches for it: lines that would be held, because they
	// are not found, were not charged. What stands more than once is held all the same.
	NotCharged bool
}

// Judgement is the verdict on a dead draft.
type Judgement struct {
	Verdict string // one letter per line

	// Certain says that only what was seen decided: nothing follows from something
	// that was not found. Such a judgement needs no waiting.
	Certain bool

	Outcome Result // when nothing is left to do for a person
	Reason  Reason // otherwise
	Detail  string
}

// Judge decides what became of each line of a draft that is gone.
func Judge(evidence Evidence) Judgement {
	letters := make([]byte, len(evidence.Lines))
	certain := true
	duplicate := ""
	successor := Invoice{}
	if evidence.Successor != nil {
		successor = *evidence.Successor
	}
	found := Recognize(successor, evidence.Lines, evidence.Originals)
	for i, line := range evidence.Lines {
		letter, count := evidence.judge(i, line, found)
		letters[i] = letter
		if count > 1 {
			duplicate = line.Identity()
		}
		if line.IsCharge() && letter != Stands && !evidence.decided(i) {
			certain = false
		}
	}
	if evidence.Successor == nil {
		certain = false
	}
	judgement := Judgement{Verdict: string(letters), Certain: certain}
	judgement.conclude(evidence, duplicate)
	return judgement
}

// decided holds for lines whose letter does not depend on what is found.
func (e Evidence) decided(i int) bool {
	return e.neverSent(i) || e.Previous != "" && e.Previous[i] != Held
}

// neverSent holds for lines that no call was ever made for: they are released
// whatever is found.
func (e Evidence) neverSent(i int) bool {
	return e.Previous == "" && (i > e.Cursor || i == e.Cursor && !e.Doubt)
}

// judge returns the letter of the i-th line, and how often it is on the successor.
func (e Evidence) judge(i int, line Line, found Recognized) (letter byte, count int) {
	count = found.Counts[i]
	switch {
	case e.Previous != "" && e.Previous[i] != Held:
		return e.Previous[i], 1
	case line.IsCredit():
		return Released, 0
	case !line.IsCharge() && e.Closing:
		return Stands, 0
	case !line.IsCharge():
		return Released, 0
	case count == 1:
		return Stands, count
	case count > 1:
		return Held, count
	case e.neverSent(i):
		return Released, 0
	case i == e.Cursor && e.Doubt && e.Successor != nil && !found.Resembles(i):
		return Released, 0
	case e.NotCharged:
		return Released, 0
	default:
		return Held, 0
	}
}

func (j *Judgement) conclude(evidence Evidence, duplicate string) {
	var charges, held, released int
	for i, line := range evidence.Lines {
		if !line.IsCharge() {
			continue
		}
		charges++
		switch j.Verdict[i] {
		case Held:
			held++
		case Released:
			released++
		}
	}
	switch {
	case charges == 0:
		j.Outcome = Gone
	case held == 0 && released == 0:
		j.Outcome = Closed
	case duplicate != "":
		j.Reason = DuplicateLine
		j.Detail = fmt.Sprintf("the line %s stands more than once on %s", duplicate, evidence.Successor.ID)
	case held > 0 && evidence.Successor == nil:
		j.Reason = SuccessorUnknown
		j.Detail = fmt.Sprintf("the draft is gone and no invoice of the customer carries its lines; %d of %d lines may have been charged", held, charges)
	case held > 0:
		j.Reason = LineRemoved
		j.Detail = fmt.Sprintf("%d of %d lines that were or may have been charged are not on %s", held, charges, evidence.Successor.ID)
	default:
		j.Reason = InvoiceNotPending
		j.Detail = fmt.Sprintf("the invoice was closed or deleted before %d of %d lines were charged; their events are unbilled again", released, charges)
	}
}
