package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// charge adds the lines of the plan to the invoice, one call each.
func (s *session) charge(ctx context.Context) error {
	if err := s.loadPlan(ctx); err != nil {
		return err
	}
	record := s.record()
	if record.MissingSince != 0 {
		return s.resolveMissing(ctx)
	}
	if record.InDoubt {
		return s.resolveDoubt(ctx)
	}
	if !s.planChecked && !s.sentAny() { //mutant:check-plan
		if err := s.checkPlan(ctx); err != nil {
			return err
		}
	}
	for {
		line := s.nextLine()
		if line == len(s.plan.Lines) {
			return s.endCharging(ctx)
		}
		invoice, err := s.sendLine(ctx, line)
		if err != nil {
			return s.chargeError(ctx, err)
		}
		s.added = line + 1
		if err := s.verifyLines(ctx, invoice); err != nil {
			return err
		}
	}
}

// chargeError returns the error of charge after sendLine failed with err. If Chargebee refused the first line, the
// draft may have changed since the plan was made: if checkPlan finds that, or fails, its error replaces err.
func (s *session) chargeError(ctx context.Context, err error) error {
	if _, rejected := errors.AsType[*billing.Rejection](err); rejected && !s.sentAny() {
		if err := s.checkPlan(ctx); err != nil {
			return err
		}
	}
	return err
}

// nextLine returns the index of the next line to send, or the number of lines if none is left.
func (s *session) nextLine() int {
	for i := s.added; i < len(s.plan.Lines); i++ {
		if s.plan.Lines[i].IsCharge() {
			return i
		}
	}
	return len(s.plan.Lines)
}

// sentAny reports whether any line was added or may have been. A refused line may have been until reads of the draft
// have not found it.
func (s *session) sentAny() bool {
	return s.record().IsSending() || slices.ContainsFunc(s.plan.Lines[:s.added], billing.Line.IsCharge) //mutant:sent-any
}

// sendLine adds a line that is not on the invoice:
//
//  1. acquire a permit;
//  2. record that the line is being sent, so that the line is in doubt for a session that takes over;
//  3. check lease, clock and API key, so that a process that was paused does not send too late;
//  4. call.
func (s *session) sendLine(ctx context.Context, line int) (billing.Invoice, error) {
	permit, err := s.acquirePermit(ctx)
	if err != nil {
		return billing.Invoice{}, err
	}
	sent := s.Now()
	err = s.lease.commit(ctx, func(step *billing.Step) {
		s.applyProgress(step)
		step.Record.Cursor = line
		step.Record.SendingSince = sent.Unix() //mutant:sending-since
		step.Record.SentWith = s.Charger.APIKeyID()
		step.Record.InDoubt, step.Record.Refused = false, false
	})
	if err != nil {
		return billing.Invoice{}, err
	}
	s.added = line

	var invoice billing.Invoice
	err = s.callUnder(ctx, permit, s.newLineCall(line, startStopwatch(sent), &invoice))
	if failure, ok := asFailure(err); ok {
		return invoice, s.recoverFrom(ctx, opAdd, failure)
	}
	if err != nil { // the call was not made
		return invoice, errors.Join(s.undoSend(ctx), err)
	}
	return invoice, nil
}

// undoSend records that the line at the cursor was not sent.
func (s *session) undoSend(ctx context.Context) error {
	return s.lease.commit(ctx, func(step *billing.Step) { step.Record.SendingSince = 0 })
}

// newLineCall returns a function that adds a line, for the first time or again, and stores the response in
// invoice. It makes no call unless the lease lasts long enough, Chargebee is certain to remember the
// idempotency key, and the API key is the one in the record.
func (s *session) newLineCall(line int, sent stopwatch, invoice *billing.Invoice) func(context.Context, *ratelimit.Permit) error {
	return func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		if err := s.lease.ensure(ctx, s.Settings.CallTimeout); err != nil {
			return err
		}
		if sent.elapsed(s.Now()) > s.Settings.resendLimit() { //mutant:send-deadline
			return errReload
		}
		if !s.hasSameAPIKey() {
			return errReload
		}
		*invoice, err = s.Charger.AddCharge(ctx, permit, s.chargeOf(line))
		s.Breaker.Record(s.manifest.InvoiceID, err)
		return err
	}
}

// chargeOf returns the charge of the i-th line.
func (s *session) chargeOf(i int) billing.Charge {
	line := s.plan.Lines[i]
	charge := billing.Charge{
		InvoiceID:      s.manifest.InvoiceID,
		Amount:         line.Amount,
		Description:    line.Description,
		From:           line.From,
		To:             line.To,
		IdempotencyKey: line.IdempotencyKey, //mutant:idempotency-key
		ItemPriceID:    line.ItemPriceID,    //mutant:planned-item-price
		Tax:            line.Tax,            //mutant:planned-tax
	}
	if line.PerUnit { //mutant:quantity-per-unit
		charge.Quantity = 1
	}
	if s.manifest.SubscriptionID == "" { // a consolidated invoice
		charge.SubscriptionID = line.SubscriptionID
	}
	return charge
}

// saveProgress writes the record if a line was added since the last write.
func (s *session) saveProgress(ctx context.Context) error {
	if s.added <= s.record().Cursor {
		return nil
	}
	return s.lease.commit(ctx, s.applyProgress)
}

// applyProgress moves the cursor past a line that was added since the last write.
func (s *session) applyProgress(step *billing.Step) {
	if s.added > step.Record.Cursor {
		step.Record.Cursor = s.added
		step.Record.SendingSince = 0
		step.Record.InDoubt = false
		step.Record.Attempts = 0
	}
}

// endCharging verifies that all lines were added, and starts the next state:
//
//	the invoice has no line     settling (Empty)
//	the settings leave it open  settling (LeftOpen)
//	otherwise                   closing
func (s *session) endCharging(ctx context.Context) error {
	if err := s.verifyAllAdded(ctx); err != nil {
		return err
	}
	if !s.sentAny() {
		if s.draft == nil { // checkPlan reads it
			if err := s.checkPlan(ctx); err != nil {
				return err
			}
		}
		if len(s.draft.Lines) == 0 { // Chargebee closes no invoice without a line
			return s.startSettling(ctx, billing.ReconcileResult{
				Outcome:      billing.Empty,
				Dispositions: billing.RepeatDisposition(billing.NotCharged, len(s.plan.Lines)),
			}, "")
		}
	}
	if s.Settings.leavesOpen(s.plan.Lines) {
		return s.startSettling(ctx, billing.ReconcileResult{Outcome: billing.LeftOpen}, "")
	}
	return s.lease.commit(ctx, func(step *billing.Step) {
		s.applyProgress(step)
		step.Record.Cursor = len(s.plan.Lines)
		step.Record.SendingSince = 0
		step.Record.State = billing.Closing
		step.Record.Attempts = 0
	})
}
