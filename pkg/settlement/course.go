package settlement

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// call is what a call to Chargebee was made for.
type call int

const (
	adding      call = iota // to add a line for the first time
	addingAgain             // to add a line that may stand on the invoice already
	closing                 // to close the invoice
	reading                 // to read invoices
)

// fate is what a failed call says about the line that it was to add.
type fate int

const (
	unchanged fate = iota // nothing: no line was to be added, or it stays in doubt
	inDoubt               // it may stand on the invoice
	notSent               // it does not
)

// ending is how a handling goes on after a failed call.
type ending int

const (
	backOff        ending = iota // the message comes back after a growing delay; it was an attempt
	comeBack                     // the message comes back after a known time
	lookAnew                     // the handling goes on; the rate limiter has it wait
	whenKeyExpires               // the message comes back when Chargebee has forgotten the line's key
	giveUp                       // the message is rejected
	takeAsMissing                // the caller decides on an invoice that is not there
)

// course is what follows from a failed call.
type course struct {
	line   fate
	looks  int // at the draft, max_effect_delay apart: it goes on only if the draft is pending every time
	ending ending
	wait   time.Duration  // comeBack: at most, unless Chargebee says more
	reason billing.Reason // giveUp
	newKey bool           // the next close needs another idempotency key
}

// decideCourse says what follows from a call that failed. This is the one place that
// says what each kind of failure means. outage says that Chargebee answers nobody.
func decideCourse(call call, failure *billing.Failure, outage bool) course {
	course := decideByKind(call, failure, outage)
	// A refusal may be stored under the key, and repeated although its cause is gone.
	course.newKey = call == closing && (failure.Replayed || isRefusal(failure)) //mutant:close-key
	return course
}

func decideByKind(call call, failure *billing.Failure, outage bool) course {
	switch failure.Kind {
	case billing.Transient:
		return course{line: notSentIf(call), ending: comeBack, wait: outageWait}
	case billing.Unauthorized:
		return course{line: notSentIf(call), ending: comeBack, wait: unauthorizedWait}
	case billing.Limited:
		if failure.OfSite() {
			return course{line: notSentIf(call), ending: lookAnew}
		}
		return course{line: notSentIf(call), ending: comeBack, wait: lockWait}
	case billing.Missing:
		return decideMissing(call, failure)
	case billing.Permanent:
		return decideRefusal(call, failure)
	default: // billing.Unknown
		return decideUnknown(call, outage)
	}
}

// notSentIf is the fate of a line after a call that surely had no effect: a line in
// doubt stays so, for the answer may be about its twin.
func notSentIf(call call) fate {
	if call == adding {
		return notSent
	}
	return unchanged
}

// decideMissing decides on a 404 or 409. It does not decide about a line: the draft itself
// shows whether it is gone.
func decideMissing(call call, failure *billing.Failure) course {
	switch {
	case call == adding && failure.Replayed:
		return course{line: notSent, looks: 1, ending: whenKeyExpires}
	case call == adding:
		return course{line: notSent, looks: 2, ending: giveUp, reason: billing.ChargebeeRefused}
	case call == addingAgain:
		return course{looks: 1, ending: whenKeyExpires}
	case call == reading && failure.NotFound():
		return course{ending: takeAsMissing}
	default:
		return decideRefusal(call, failure)
	}
}

// decideRefusal decides on what Chargebee will never do. In doubt it does not decide about
// the line: the refusal may be the answer to a concurrent duplicate, or an old one that is
// replayed. An invoice that cannot be read is read again later: nothing follows from that.
func decideRefusal(call call, failure *billing.Failure) course {
	switch {
	case call == addingAgain: //mutant:refused-in-doubt
		return course{ending: whenKeyExpires}
	case call == adding && failure.Replayed:
		return course{line: notSent, looks: 1, ending: whenKeyExpires}
	//mutant:refused-charge
	case call == adding: // a draft that was closed may answer so, too
		return course{line: notSent, looks: 1, ending: giveUp, reason: billing.ChargebeeRefused}
	case call == closing:
		return course{looks: 2, ending: giveUp, reason: billing.CloseRefused}
	default:
		return course{ending: comeBack, wait: readAgainWait}
	}
}

// decideUnknown decides on a call that may have had its effect.
func decideUnknown(call call, outage bool) course {
	var after course // a back-off
	if outage {
		after = course{ending: comeBack, wait: outageWait}
	}
	switch call {
	case adding:
		after.line = inDoubt
	case reading: // the read is not what the message is about: it does not count as an attempt
		after = course{ending: comeBack, wait: outageWait}
	case addingAgain, closing:
		// The next attempt sends the same call under the same key: the stored answer shows
		// the final invoice, by which lines of item prices alone would not be found.
	}
	return after
}

// fail goes on after a failed call.
func (h *handling) fail(ctx context.Context, call call, failure *billing.Failure) error {
	course := decideCourse(call, failure, h.Breaker.Open())
	sent := h.head()
	if course.line != unchanged || course.newKey {
		err := h.lease.commit(ctx, func(step *billing.Step) {
			switch course.line {
			case inDoubt:
				step.Head.Doubt = true
			case notSent:
				step.Head.Doubt, step.Head.SendingSince = false, 0
			}
			if course.newKey {
				step.Head.CloseRefusals++
			}
		})
		if err != nil {
			return err
		}
	}
	for look := range course.looks { //mutant:draft-reads
		if look > 0 {
			if err := retry.Wait(ctx, h.Settings.MaxEffectDelay, nil); err != nil {
				return err
			}
		}
		if _, err := h.pendingDraft(ctx); err != nil {
			return err
		}
	}
	if course.ending == whenKeyExpires {
		return h.letKeyExpire(sent, failure.Error())
	}
	return course.end(failure)
}

// letKeyExpire defers the message until Chargebee has forgotten the key of the line in
// doubt.
func (h *handling) letKeyExpire(head billing.Head, why string) error {
	return h.until(time.Unix(head.SendingSince, 0).Add(h.Settings.IdempotencyWindow), why)
}

// failedRead is the end of a handling that could not read invoices; an invoice that is
// not there is for the caller.
func (s *Settler) failedRead(failure *billing.Failure) error {
	return decideCourse(reading, failure, s.Breaker.Open()).end(failure)
}

// end is the error that the handling ends with.
func (c course) end(failure *billing.Failure) error {
	switch c.ending {
	case lookAnew:
		return errAnew
	case comeBack:
		return wait(max(failure.RetryAfter, retry.Jitter(c.wait, 0.5)), failure.Error())
	case giveUp:
		return &billing.Rejection{Reason: c.reason, Detail: failure.Error()}
	case takeAsMissing:
		return failure
	default:
		return failed(failure.Error())
	}
}
