package deadletter

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
)

// Draft is how a pending invoice was found at Chargebee.
type Draft string

// The drafts. The zero value is one that nobody looked at.
const (
	DraftPending Draft = "pending"
	DraftGone    Draft = "gone" // it is not there, or no longer pending
)

// Situation is all that decides what a replay of a letter would do.
type Situation struct {
	EventType string        // of the message; empty: it is no valid event
	Head      *billing.Head // nil: the ledger does not know the invoice
	Lines     int           // of the plan
	Draft     Draft
	Close     bool // invoices are closed once they are charged: invoice.close
	Now       time.Time
}

// Would is what a replay would do.
type Would string

// What a replay would do.
const (
	Unreadable      Would = "unreadable"       // be rejected at once
	Ignored         Would = "ignored"          // nothing: it is an event of another type
	AlreadyBilled   Would = "already_billed"   // nothing
	NothingToBill   Would = "nothing_to_bill"  // nothing
	Waits           Would = "waits"            // wait until somebody else is done
	NewEpoch        Would = "new_epoch"        // claim, charge and close from the beginning
	ResumesClaiming Would = "resumes_claiming" // claim the rest, charge and close
	ResumesAtLine   Would = "resumes_at_line"  // add the rest of the lines and close
	ResumesClosing  Would = "resumes_closing"  // close
	ResumesBilling  Would = "resumes_billing"  // mark the events as billed
	ResumesRelease  Would = "resumes_release"  // give the rest of the events back, and be rejected
	Judges          Would = "judges"           // look for the invoice that the draft became
	FindsGone       Would = "finds_gone"       // claim and give back: nothing was or can be charged
	RejectedAgain   Would = "rejected_again"   // find nothing left to decide
)

// Replay is what a replay would do, and whether the invoice can still be billed by it or
// by a later one; null if that hangs on what Chargebee shows then.
type Replay struct {
	Would    Would  `json:"would"`
	Detail   string `json:"detail"`
	Billable *bool  `json:"billable"`
}

// Foresee says what a replay would do. It follows what package settlement does with a
// message; should the two differ, settlement is right.
func Foresee(s Situation) Replay {
	switch {
	case s.EventType == "":
		return Replay{Unreadable, "the message is no valid webhook event: it is rejected again", new(false)}
	case s.EventType != event.PendingInvoiceCreated:
		return Replay{Ignored, "events of the type " + s.EventType + " are acknowledged, and nothing is done", new(false)}
	case s.Head == nil:
		return s.begin(NewEpoch, "the ledger does not know the invoice: its events are claimed and charged")
	case s.Head.Version > billing.HeadVersion:
		return Replay{Waits, fmt.Sprintf("the ledger's version %d is newer than this program: the message waits for a newer one", s.Head.Version), nil}
	case s.Head.State == billing.Finished:
		return finished(*s.Head)
	case s.Head.Owner != "" && s.Now.Unix() < s.Head.LeaseUntil:
		return Replay{Waits, "another handling works on the invoice: the message waits until it is done, and goes on if it is not", s.chargeable()}
	default:
		return s.resume()
	}
}

func finished(head billing.Head) Replay {
	switch head.Outcome {
	case billing.Closed:
		return Replay{AlreadyBilled, "its events are billed on " + head.FinalInvoiceID + ": the message is acknowledged", new(false)}
	case billing.LeftOpen:
		return Replay{AlreadyBilled, "its events are billed and the invoice was left open: the message is acknowledged", new(false)}
	default:
		return Replay{NothingToBill, "the ledger has finished the invoice, with nothing to charge: the message is acknowledged", new(false)}
	}
}

// resume foresees what becomes of an invoice that the ledger has not finished.
func (s Situation) resume() Replay {
	switch phase(*s.Head) {
	case billing.Claiming:
		if s.Head.State == billing.Rejected {
			return s.begin(NewEpoch, "its events were given back: they are claimed anew and charged")
		}
		return s.begin(ResumesClaiming, "the rest of its events is claimed, and they are charged")
	case billing.Releasing:
		return Replay{ResumesRelease, fmt.Sprintf("the rest of its events is given back and the message is rejected as %s; a replay after that begins anew", s.Head.Reason), s.chargeable()}
	case billing.Charging:
		return s.charge()
	case billing.Closing:
		if s.found() == DraftGone {
			return s.judge()
		}
		return Replay{ResumesClosing, fmt.Sprintf("all %d lines were added: the draft is looked at and closed", s.Lines), s.chargeable()}
	case billing.Settling:
		return s.settle()
	default:
		return Replay{RejectedAgain, fmt.Sprintf("the ledger has the unknown state %q", s.Head.State), nil}
	}
}

// begin foresees the charging of events that are yet to be claimed.
func (s Situation) begin(would Would, detail string) Replay {
	if s.found() == DraftGone {
		return Replay{FindsGone, "the draft is gone: nothing can be charged on it anymore, and its events go on the next invoice", new(false)}
	}
	return Replay{would, detail + s.ending(), s.chargeable()}
}

// charge foresees the charging of the rest of the lines.
func (s Situation) charge() Replay {
	if s.found() == DraftGone {
		if s.Head.Cursor == 0 && !s.Head.Sending() {
			return Replay{FindsGone, "the draft is gone before a line was added: the events are given back and go on the next invoice", new(false)}
		}
		return s.judge()
	}
	detail := fmt.Sprintf("resumes at line %d of %d", s.Head.Cursor+1, s.Lines)
	if s.Head.Cursor >= s.Lines {
		detail = fmt.Sprintf("all %d lines were added", s.Lines)
	}
	if s.Head.Sending() {
		detail += ", which may have been added: it is sent again under its key, or looked for"
	}
	if s.Head.State == billing.Rejected && s.Head.Cursor > 0 {
		detail += ", if those before it are found on the draft"
	}
	return Replay{ResumesAtLine, detail + s.ending(), s.chargeable()}
}

// judge foresees the judgement of a draft that is gone after something was sent.
func (s Situation) judge() Replay {
	return Replay{Judges, "the draft is gone: the invoice that it became is looked for; " +
		"events of lines that stand on it are billed, of lines that were never charged given back, and the rest is held", nil}
}

// settle foresees what becomes of an invoice that has its verdict, or was closed.
func (s Situation) settle() Replay {
	verdict, on := s.Head.Verdict, cmp.Or(s.Head.FinalInvoiceID, s.Head.InvoiceID)
	switch {
	case verdict == "", only(verdict, billing.Stands):
		return Replay{ResumesBilling, "all its lines stand on " + on + ": the rest of its events is marked as billed", new(true)}
	case s.Head.State != billing.Rejected:
		replay := Replay{ResumesBilling, "the verdict on its lines is carried out: events are marked as billed on " + on + ", given back or held", nil}
		if s.Head.Reason != "" {
			replay.Detail += fmt.Sprintf("; then the message is rejected as %s", s.Head.Reason)
		}
		if !billing.LeavesHeld(verdict) {
			replay.Billable = new(strings.ContainsRune(verdict, billing.Stands))
		}
		return replay
	case billing.LeavesHeld(verdict):
		return Replay{Judges, "it is looked anew whether the lines that are held stand on the invoice that the draft became; nothing is charged", nil}
	case only(verdict, billing.Released):
		return s.begin(NewEpoch, "its events were given back: they are claimed anew and charged")
	default:
		return Replay{RejectedAgain, "every line is decided: some are billed, the events of the others go on the next invoice", new(false)}
	}
}

// only tells whether a verdict has one letter for all lines.
func only(verdict string, letter rune) bool {
	return verdict != "" && strings.Trim(verdict, string(letter)) == ""
}

// found is how the draft was found. One that the ledger has seen gone is, unless
// Chargebee says otherwise.
func (s Situation) found() Draft {
	if s.Draft == "" && s.Head != nil && s.Head.GoneAt != 0 {
		return DraftGone
	}
	return s.Draft
}

// chargeable tells whether the draft can be charged, if that is known.
func (s Situation) chargeable() *bool {
	switch s.found() {
	case DraftPending:
		return new(true)
	case DraftGone:
		return new(false)
	default:
		return nil
	}
}

// ending is what follows the last charge.
func (s Situation) ending() string {
	if s.Close {
		return "; then the invoice is closed"
	}
	return "; then it is left open, as invoice.close says"
}
