package settlement

import (
	"cmp"
	"context"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// operation is the purpose of a call to Chargebee.
type operation int

const (
	opAdd    operation = iota // add a line for the first time
	opResend                  // add a line that may be on the invoice already
	opClose                   // close the invoice
	opRead                    // read invoices
)

// lineEffect is the effect of a failed call on the line that it was to add.
type lineEffect int

const (
	effectUnchanged lineEffect = iota // no change: the call was to add no line, or the line stays in doubt
	effectInDoubt                     // the line may be on the invoice
	effectNone                        // the line is not on the invoice
)

// nextAction is the next action of a session after a failed call.
type nextAction int

const (
	deferBackoff   nextAction = iota // defer with backoff; the session counts as an attempt
	deferDelay                       // defer by a known delay
	deferKeyExpiry                   // defer until Chargebee has forgotten the line's idempotency key
	reload                           // continue; the rate limiter delays the next call
	rejectMessage                    // reject
	returnFailure                    // return the failure: the caller handles a missing invoice
)

// recovery is the decision after a failed call.
type recovery struct {
	effect      lineEffect
	draftReads  int // reads of the draft before the action, MaxEffectDelay apart; all must show it as pending
	action      nextAction
	delay       time.Duration  // deferDelay: at most, unless Chargebee asks for more
	reason      billing.Reason // rejectMessage
	newCloseKey bool           // the next close needs another idempotency key
}

// decideRecovery returns what follows from a failed call. No other function decides by the kind of a failure
// how a session continues. outage reports that Chargebee answers no calls at all.
func decideRecovery(op operation, failure *billing.Failure, outage bool) recovery {
	decided := decideByKind(op, failure, outage)
	// Chargebee may store a refusal under the key, and replay it when its cause no longer exists.
	decided.newCloseKey = op == opClose && (failure.Replayed || isRefusal(failure)) //mutant:close-key
	return decided
}

func decideByKind(op operation, failure *billing.Failure, outage bool) recovery {
	switch failure.Kind {
	case billing.Transient:
		return recovery{effect: effectIfNotExecuted(op, failure), action: deferDelay, delay: outageDelay}
	case billing.Unauthorized:
		return recovery{effect: effectIfNotExecuted(op, failure), action: deferDelay, delay: unauthorizedDelay}
	case billing.Limited:
		if _, ok := failure.SiteLimit(); ok {
			return recovery{effect: effectIfNotExecuted(op, failure), action: reload}
		}
		return recovery{effect: effectIfNotExecuted(op, failure), action: deferDelay, delay: lockDelay}
	case billing.Missing:
		return decideMissing(op, failure)
	case billing.Permanent:
		return decideRefusal(op, failure)
	default: // billing.Unknown
		return decideUnknown(op, outage)
	}
}

// effectIfNotExecuted returns the effect of a call that was answered as not executed. A resent line stays in
// doubt: the first call may have had an effect. A response without Chargebee's error code is from a proxy,
// which may have forwarded the call before: the line is in doubt.
func effectIfNotExecuted(op operation, failure *billing.Failure) lineEffect {
	switch {
	case op != opAdd:
		return effectUnchanged
	case failure.Status != 0 && failure.Code == "": //mutant:proxy-refusal
		return effectInDoubt
	default:
		return effectNone
	}
}

// decideMissing decides after a 404 or 409. Neither proves that the draft is missing: reads of the draft
// decide.
func decideMissing(op operation, failure *billing.Failure) recovery {
	switch {
	case op == opAdd && failure.Replayed:
		return recovery{effect: effectNone, draftReads: 1, action: deferKeyExpiry}
	case op == opAdd:
		return recovery{effect: effectNone, draftReads: 2, action: rejectMessage, reason: billing.ChargebeeRefused}
	case op == opResend:
		return recovery{draftReads: 1, action: deferKeyExpiry}
	case op == opRead && failure.IsNotFound():
		return recovery{action: returnFailure}
	default:
		return decideRefusal(op, failure)
	}
}

// decideRefusal decides after a refusal, which a repeated call would get again. It leaves a line in doubt:
// the response may be to a concurrent duplicate, or an old one that is replayed. An invoice that cannot be
// read is read again later.
func decideRefusal(op operation, failure *billing.Failure) recovery {
	switch {
	case op == opResend: //mutant:refused-in-doubt
		return recovery{action: deferKeyExpiry}
	case op == opAdd && failure.Replayed:
		return recovery{effect: effectNone, draftReads: 1, action: deferKeyExpiry}
	//mutant:refused-charge
	case op == opAdd: // a draft that was closed may answer so, too
		return recovery{effect: effectNone, draftReads: 1, action: rejectMessage, reason: billing.ChargebeeRefused}
	case op == opClose:
		return recovery{draftReads: 2, action: rejectMessage, reason: billing.CloseRefused}
	default:
		return recovery{action: deferDelay, delay: readAgainDelay}
	}
}

// decideUnknown decides after a call that may have been executed. The next attempt repeats it with the same
// key. If that is a close, the stored response has the final invoice. No search finds it if all lines are
// of item prices.
func decideUnknown(op operation, outage bool) recovery {
	decided := recovery{action: deferBackoff}
	if outage || op == opRead {
		decided = recovery{action: deferDelay, delay: outageDelay}
	}
	if op == opAdd {
		decided.effect = effectInDoubt
	}
	return decided
}

// recoverFrom carries out decideRecovery, and returns the error that ends the step.
//
// A refused call may have had an effect: a proxy may have sent it twice. So the line is in doubt until the
// reads of the draft have not found it.
func (s *session) recoverFrom(ctx context.Context, op operation, failure *billing.Failure) error {
	decided := decideRecovery(op, failure, s.Breaker.Open())
	sent := s.record()
	beforeReads := decided
	if op == opAdd && decided.draftReads > 0 {
		beforeReads = recovery{effect: effectInDoubt}
	}
	if err := s.commitRecovery(ctx, beforeReads); err != nil {
		return err
	}
	for read := range decided.draftReads { //mutant:draft-reads
		if read > 0 {
			if err := retry.Wait(ctx, s.Settings.MaxEffectDelay, nil); err != nil {
				return err
			}
		}
		if err := s.readAfterRefusal(ctx, op); err != nil {
			return err
		}
	}
	if beforeReads != decided {
		if err := s.commitRecovery(ctx, decided); err != nil {
			return err
		}
	}
	if decided.action == deferKeyExpiry {
		return s.deferUntilKeyExpires(sent, failure.Error())
	}
	return decided.err(failure)
}

// readAfterRefusal reads the draft. It returns nil if the draft is pending without the refused line. If the
// draft is missing, the record has the line as refused: if the draft stays missing, the line was not added.
func (s *session) readAfterRefusal(ctx context.Context, op operation) error {
	draft, missing, err := s.readDraft(ctx)
	switch {
	case err != nil:
		return err
	case missing && op == opAdd:
		err := s.lease.commit(ctx, func(step *billing.Step) {
			step.Record.Refused = true //mutant:refused-missing
			step.Record.MissingSince = cmp.Or(step.Record.MissingSince, s.Now().Unix())
		})
		if err != nil {
			return err
		}
		return s.resolveMissing(ctx)
	case missing:
		return s.resolveMissing(ctx)
	case op != opAdd:
		return nil // a line in doubt is read back when its key has expired
	}
	line := s.record().Cursor
	switch count := billing.Recognize(draft, s.plan.Lines, s.manifest.Originals).Counts[line]; {
	case count > 1:
		return errDuplicate(s.plan.Lines[line], count, draft.ID)
	case count == 1: //mutant:refused-added
		s.added = line + 1
		if err := s.saveProgress(ctx); err != nil {
			return err
		}
		return errReload
	default:
		return nil
	}
}

// commitRecovery writes the changes of the record that follow from the call, if there are any.
func (s *session) commitRecovery(ctx context.Context, decided recovery) error {
	if decided.effect == effectUnchanged && !decided.newCloseKey {
		return nil
	}
	return s.lease.commit(ctx, decided.apply)
}

// apply changes the record of a step.
func (r recovery) apply(step *billing.Step) {
	switch r.effect {
	case effectInDoubt:
		step.Record.InDoubt = true
	case effectNone:
		step.Record.InDoubt, step.Record.SendingSince = false, 0
	}
	if r.newCloseKey {
		step.Record.CloseRefusals++
	}
}

// err returns the error by which the session carries out the action.
func (r recovery) err(failure *billing.Failure) error {
	switch r.action {
	case reload:
		return errReload
	case deferDelay:
		return deferFor(max(failure.RetryAfter, retry.Jitter(r.delay, 0.5)), failure.Error())
	case rejectMessage:
		return &billing.Rejection{Reason: r.reason, Detail: failure.Error()}
	case returnFailure:
		return failure
	default:
		return deferWithBackoff(failure.Error())
	}
}

// deferUntilKeyExpires defers the message until Chargebee has forgotten the key of the line at the record's
// cursor.
func (s *session) deferUntilKeyExpires(record billing.Record, reason string) error {
	return s.deferUntil(time.Unix(record.SendingSince, 0).Add(s.Settings.IdempotencyWindow), reason)
}

// readError returns what follows from a failed read: a deferral, errReload, or the failure itself if there is
// no such invoice.
func (s *Settler) readError(failure *billing.Failure) error {
	return decideRecovery(opRead, failure, s.Breaker.Open()).err(failure)
}
