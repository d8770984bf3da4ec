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

// lineEffect is the change of the record's line at the cursor that follows from a failed call.
type lineEffect int

const (
	lineUnchanged lineEffect = iota // the record stays as it is: the call was not for a line, or the line was in doubt before
	lineInDoubt                     // the line may be on the invoice
	lineNotAdded                    // the line is not on the invoice
)

// nextAction is the next action of a session after a failed call.
type nextAction int

const (
	deferBackoff   nextAction = iota // defer with backoff; the session counts as an attempt
	deferDelay                       // defer by recovery.delay
	deferKeyExpiry                   // defer until Chargebee has forgotten the line's idempotency key
	reload                           // continue with errReload; the rate limiter delays the next call
	rejectMessage                    // reject for recovery.reason
	returnFailure                    // return the failure: the caller handles a missing invoice
)

// recovery is the decision after a failed call.
type recovery struct {
	effect      lineEffect
	draftReads  int // reads of the draft before the action, MaxEffectDelay apart; all must show it as pending
	action      nextAction
	delay       time.Duration // jitter shortens it; a longer Retry-After of Chargebee replaces it
	reason      billing.Reason
	newCloseKey bool // the next close needs another idempotency key
}

// decideRecovery returns what follows from a failed call. outage reports that the breaker is open.
func decideRecovery(op operation, failure *billing.Failure, outage bool) recovery {
	decided := decideByKind(op, failure, outage)
	// Chargebee may store a refusal under the key, and replay it when its cause no longer exists.
	decided.newCloseKey = op == opClose && (failure.Replayed || isRefusal(failure)) //mutant:close-key
	return decided
}

// decideByKind returns the decision without newCloseKey.
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
		return recovery{effect: effectIfNotExecuted(op, failure), action: deferDelay, delay: callLimitDelay}
	case billing.Missing:
		return decideMissing(op, failure)
	case billing.Permanent:
		return decideRefusal(op, failure)
	default: // billing.Unknown
		return decideUnknown(op, outage)
	}
}

// effectIfNotExecuted returns the effect of a failed call that Chargebee did not execute. A resent line stays in
// doubt: an earlier call may have added it. A response without Chargebee's error code is from a proxy, which
// may have forwarded the call before it answered: the line is in doubt.
func effectIfNotExecuted(op operation, failure *billing.Failure) lineEffect {
	switch {
	case op != opAdd:
		return lineUnchanged
	case failure.Status != 0 && failure.Code == "": //mutant:proxy-refusal
		return lineInDoubt
	default:
		return lineNotAdded
	}
}

// decideMissing decides after a 404 or 409. A POST with such a response does not prove that the draft is
// missing: the draft is read.
func decideMissing(op operation, failure *billing.Failure) recovery {
	switch {
	case op == opAdd && failure.Replayed:
		return recovery{effect: lineNotAdded, draftReads: 1, action: deferKeyExpiry}
	case op == opAdd:
		return recovery{effect: lineNotAdded, draftReads: 2, action: rejectMessage, reason: billing.ChargebeeRefused}
	case op == opResend:
		return recovery{draftReads: 1, action: deferKeyExpiry}
	case op == opRead && failure.IsNotFound():
		return recovery{action: returnFailure}
	default:
		return decideRefusal(op, failure)
	}
}

// decideRefusal decides after a refusal, which a repeated call would get again.
func decideRefusal(op operation, failure *billing.Failure) recovery {
	switch {
	// The line stays in doubt: Chargebee may refuse because an earlier call with the key is running, or replay an old
	// refusal.
	case op == opResend: //mutant:refused-in-doubt
		return recovery{action: deferKeyExpiry}
	case op == opAdd && failure.Replayed:
		return recovery{effect: lineNotAdded, draftReads: 1, action: deferKeyExpiry}
	//mutant:refused-charge
	case op == opAdd: // Chargebee may also refuse a charge because the draft was closed
		return recovery{effect: lineNotAdded, draftReads: 1, action: rejectMessage, reason: billing.ChargebeeRefused}
	case op == opClose:
		return recovery{draftReads: 2, action: rejectMessage, reason: billing.CloseRefused}
	default: // opRead
		return recovery{action: deferDelay, delay: readAgainDelay}
	}
}

// decideUnknown decides after a call that may have been executed. The next attempt repeats the call with the
// same key. The stored response to a close has the id of the final invoice, which a search finds only by
// markers or original lines.
func decideUnknown(op operation, outage bool) recovery {
	decided := recovery{action: deferBackoff}
	if outage || op == opRead {
		decided = recovery{action: deferDelay, delay: outageDelay}
	}
	if op == opAdd {
		decided.effect = lineInDoubt
	}
	return decided
}

// recoverFrom carries out decideRecovery, and returns the error that ends the step.
//
// A refused line may be on the invoice: a proxy may have sent the call twice. So the line is in doubt until the
// reads of the draft show that the line is not on it.
func (s *session) recoverFrom(ctx context.Context, op operation, failure *billing.Failure) error {
	decided := decideRecovery(op, failure, s.Breaker.Open())
	before := s.record() // with SendingSince, which lineNotAdded resets
	readsDecide := op == opAdd && decided.draftReads > 0
	beforeReads := decided
	if readsDecide {
		beforeReads = recovery{effect: lineInDoubt}
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
	if readsDecide {
		if err := s.commitRecovery(ctx, decided); err != nil {
			return err
		}
	}
	if decided.action == deferKeyExpiry {
		return s.deferUntilKeyExpires(before, failure.Error())
	}
	return decided.err(failure)
}

// readAfterRefusal reads the draft. It returns nil if the draft is pending and, after opAdd, without the refused
// line. If the draft is missing after opAdd, it sets Record.Refused: unless the draft appears again, the line was not added.
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
		return nil // resolveDoubt reads back a line in doubt when its key has expired
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

// commitRecovery writes the changes of the record that were decided, if there are any.
func (s *session) commitRecovery(ctx context.Context, decided recovery) error {
	if decided.effect == lineUnchanged && !decided.newCloseKey {
		return nil
	}
	return s.lease.commit(ctx, decided.apply)
}

// apply changes the record of a step.
func (r recovery) apply(step *billing.Step) {
	switch r.effect {
	case lineInDoubt:
		step.Record.InDoubt = true
	case lineNotAdded:
		step.Record.InDoubt, step.Record.SendingSince = false, 0
	}
	if r.newCloseKey {
		step.Record.CloseRefusals++
	}
}

// err returns the error by which the session carries out the action, which must not be deferKeyExpiry.
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

// deferUntilKeyExpires returns the deferral until Chargebee has forgotten the key of the line at the record's
// cursor.
func (s *session) deferUntilKeyExpires(record billing.Record, reason string) error {
	return s.deferUntil(time.Unix(record.SendingSince, 0).Add(s.Settings.IdempotencyWindow), reason)
}

// readError returns the error for a failed read: a deferral, errReload, or the failure if there is no such
// invoice.
func (s *Settler) readError(failure *billing.Failure) error {
	return decideRecovery(opRead, failure, s.Breaker.Open()).err(failure)
}
