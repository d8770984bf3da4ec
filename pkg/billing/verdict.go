package billing

import (
	"fmt"
	"slices"
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
	Lines    []Line
	Cursor   int      // lines below it were added
	Doubt    bool     // the line at the cursor may have been added
	Closing  bool     // the draft was being closed by us
	Previous string   // an earlier verdict: only its held lines are judged anew
	LineIDs  []string // the lines that stood on the invoice before ours

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
	var marks map[Mark]int
	if evidence.Successor != nil {
		marks = evidence.Successor.Marks(evidence.LineIDs)
	}
	for i, line := range evidence.Lines {
		letter, count := evidence.judge(i, line, marks[line.Mark()])
		letters[i] = letter
		if count > 1 {
			duplicate = line.Mark().String()
		}
		if line.Amount > 0 && letter != Stands && !evidence.decided(i) {
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

// judge gives the i-th line, which stands so often on the successor, its letter.
func (e Evidence) judge(i int, line Line, stands int) (letter byte, count int) {
	if e.Previous != "" && e.Previous[i] != Held {
		return e.Previous[i], 1
	}
	if line.Amount == 0 {
		if e.Closing {
			return Stands, 0
		}
		return Released, 0
	}
	switch {
	case stands == 1:
		return Stands, stands
	case stands > 1:
		return Held, stands
	case e.neverSent(i):
		return Released, 0
	case i == e.Cursor && e.Doubt && e.Successor != nil && !Lookalike(*e.Successor, e.Lines, i, e.LineIDs):
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
		if line.Amount == 0 {
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

// Lookalike finds a line that might be the i-th of ours after somebody changed it: one
// that resembles it, bears the mark of none of ours and did not stand on the invoice
// before.
func Lookalike(invoice Invoice, lines []Line, i int, originals []string) bool {
	return slices.ContainsFunc(invoice.Lines, func(found InvoiceLine) bool {
		return lines[i].resembles(found) &&
			!slices.Contains(originals, found.ID) &&
			!slices.ContainsFunc(lines, func(line Line) bool { return invoice.bears(found, line.Mark()) })
	})
}

// resembles tells whether the found line has what cannot be edited away without
// making another line of it: what it is for and, where text is all that was ours, the
// amount.
func (l Line) resembles(found InvoiceLine) bool {
	if found.SubscriptionID != "" && found.SubscriptionID != l.SubscriptionID {
		return false
	}
	if l.ItemPriceID == "" {
		return found.EntityType == EntityAdHoc && found.Amount == l.Amount
	}
	return found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID
}
