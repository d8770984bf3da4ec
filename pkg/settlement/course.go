package settlement

import (
	"context"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// call is what a call to Chargebee was made for.
type operation int

const (
	opAdd    operation = iota // to add a line for the first time
	opResend                  // to add a line that may stand on the invoice already
	opClose                   // to close the invoice
	opRead                    // to read invoices
)

// fate is what a failed call says about the line that it was to add.
type lineEffect int

const (
	effectUnchanged lineEffect = iota // nothing: no line was to be added, or it stays in doubt
	effectInDoubt                     // it may stand on the invoice
	effectNone                        // it does not
)

// ending is how a handling goes on after a failed call.
type nextAction int

const (
	deferBackoff   nextAction = iota // the message comes back after a growing delay; it was an attempt
	deferDelay                       // the message comes back after a known time
	reload                           // the handling goes on; the rate limiter has it wait
	deferKeyExpiry                   // the message comes back when Chargebee has forgotten the line's key
	rejectMessage                    // the message is rejected
	returnFailure                    // the caller decides on an invoice that is not there
)

// course is what follows from a failed call.
type recovery struct {
	effect      lineEffect
	draftReads  int // at the draft, max_effect_delay apart: it goes on only if the draft is pending every time
	action      nextAction
	delay       time.Duration  // comeBack: at most, unless Chargebee says more
	reason      billing.Reason // giveUp
	newCloseKey bool           // the next close needs another idempotency key
}

// decideCourse says what follows from a call that failed. This is the one place that
// says what each kind of failure means. outage says that Chargebee answers nobody.
func decideRecovery(call operation, failure *billing.Failure, outage bool) recovery {
	course := decideByKind(call, failure, outage)
	// A refusal may be stored under the key, and repeated although its cause is gone.
	course.newCloseKey = call == opClose && (failure.Replayed || isRefusal(failure)) //mutant:close-key
	return course
}

func decideByKind(call operation, failure *billing.Failure, outage bool) recovery {
	switch failure.Kind {
	case billing.Transient:
		return recovery{effect: effectOfRefusal(call), action: deferDelay, delay: outageWait}
	case billing.Unauthorized:
		return recovery{effect: effectOfRefusal(call), action: deferDelay, delay: unauthorizedWait}
	case billing.Limited:
		if failure.IsSiteLimit() {
			return recovery{effect: effectOfRefusal(call), action: reload}
		}
		return recovery{effect: effectOfRefusal(call), action: deferDelay, delay: lockWait}
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
func effectOfRefusal(call operation) lineEffect {
	if call == opAdd {
		return effectNone
	}
	return effectUnchanged
}

// decideMissing decides on a 404 or 409. It does not decide about a line: the draft itself
// shows whether it is gone.
func decideMissing(call operation, failure *billing.Failure) recovery {
	switch {
	case call == opAdd && failure.Replayed:
		return recovery{effect: effectNone, draftReads: 1, action: deferKeyExpiry}
	case call == opAdd:
		return recovery{effect: effectNone, draftReads: 2, action: rejectMessage, reason: billing.ChargebeeRefused}
	case call == opResend:
		return recovery{draftReads: 1, action: deferKeyExpiry}
	case call == opRead && failure.IsNotFound():
		return recovery{action: returnFailure}
	default:
		return decideRefusal(call, failure)
	}
}

// decideRefusal decides on what Chargebee will never do. In doubt it does not decide about
// the line: the refusal may be the answer to a concurrent duplicate, or an old one that is
// replayed. An invoice that cannot be read is read again later: nothing follows from that.
func decideRefusal(call operation, failure *billing.Failure) recovery {
	switch {
	case call == opResend: //mutant:refused-in-doubt
		return recovery{action: deferKeyExpiry}
	case call == opAdd && failure.Replayed:
		return recovery{effect: effectNone, draftReads: 1, action: deferKeyExpiry}
	//mutant:refused-charge
	case call == opAdd: // a draft that was closed may answer so, too
		return recovery{effect: effectNone, draftReads: 1, action: rejectMessage, reason: billing.ChargebeeRefused}
	case call == opClose:
		return recovery{draftReads: 2, action: rejectMessage, reason: billing.CloseRefused}
	default:
		return recovery{action: deferDelay, delay: readAgainWait}
	}
}

// decideUnknown decides on a call that may have had its effect.
func decideUnknown(call operation, outage bool) recovery {
	var after recovery // a back-off
	if outage {
		after = recovery{action: deferDelay, delay: outageWait}
	}
	switch call {
	case opAdd:
		after.effect = effectInDoubt
	case opRead: // the read is not what the message is about: it does not count as an attempt
		after = recovery{action: deferDelay, delay: outageWait}
	case opResend, opClose:
		// The next attempt sends the same call under the same key: the stored answer shows
		// the final invoice, by which lines of item prices alone would not be found.
	}
	return after
}

// fail goes on after a failed call.
func (h *session) recover(ctx context.Context, call operation, failure *billing.Failure) error {
	course := decideRecovery(call, failure, h.Breaker.Open())
	sent := h.record()
	if course.effect != effectUnchanged || course.newCloseKey {
		err := h.lease.commit(ctx, func(step *billing.Step) {
			switch course.effect {
			case effectInDoubt:
				step.Record.InDoubt = true
			case effectNone:
				step.Record.InDoubt, step.Record.SendingSince = false, 0
			}
			if course.newCloseKey {
				step.Record.CloseRefusals++
			}
		})
		if err != nil {
			return err
		}
	}
	for look := range course.draftReads { //mutant:draft-reads
		if look > 0 {
			if err := retry.Wait(ctx, h.Settings.MaxEffectDelay, nil); err != nil {
				return err
			}
		}
		if _, err := h.pendingDraft(ctx); err != nil {
			return err
		}
	}
	if course.action == deferKeyExpiry {
		return h.deferUntilKeyExpires(sent, failure.Error())
	}
	return course.err(failure)
}

// letKeyExpire defers the message until Chargebee has forgotten the key of the line in
// doubt.
func (h *session) deferUntilKeyExpires(record billing.Record, reason string) error {
	return h.deferUntil(time.Unix(record.SendingSince, 0).Add(h.Settings.IdempotencyWindow), reason)
}

// failedRead is the end of a handling that could not read invoices; an invoice that is
// not there is for the caller.
func (s *Settler) readError(failure *billing.Failure) error {
	return decideRecovery(opRead, failure, s.Breaker.Open()).err(failure)
}

// end is the error that the handling ends with.
func (c recovery) err(failure *billing.Failure) error {
	switch c.action {
	case reload:
		return errReload
	case deferDelay:
		return deferFor(max(failure.RetryAfter, retry.Jitter(c.delay, 0.5)), failure.Error())
	case rejectMessage:
		return &billing.Rejection{Reason: c.reason, Detail: failure.Error()}
	case returnFailure:
		return failure
	default:
		return deferWithBackoff(failure.Error())
	}
}
