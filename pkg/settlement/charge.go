package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// charge adds the lines of the plan to the invoice, one call each.
func (h *session) charge(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	record := h.record()
	if record.MissingSince != 0 {
		return h.resolveMissing(ctx)
	}
	if record.InDoubt {
		return h.resolveDoubt(ctx)
	}
	if !h.planChecked && !h.sentAny() { //mutant:check-plan
		if err := h.checkPlan(ctx); err != nil {
			return err
		}
	}
	for {
		line := h.nextLine()
		if line == len(h.plan.Lines) {
			return h.endCharging(ctx)
		}
		invoice, err := h.sendLine(ctx, line)
		if err != nil {
			return h.chargeError(ctx, err)
		}
		h.added = line + 1
		if err := h.verifyLines(ctx, invoice); err != nil {
			return err
		}
	}
}

// refused decides on a charge that failed. If nothing was charged yet, the draft may have
// changed since the plan was made: it is read before its invoice is rejected.
func (h *session) chargeError(ctx context.Context, err error) error {
	if _, rejected := errors.AsType[*billing.Rejection](err); rejected && !h.sentAny() {
		if changed := h.checkPlan(ctx); changed != nil {
			return changed
		}
	}
	return err
}

// next returns the index of the next line to send.
func (h *session) nextLine() int {
	for i := h.added; i < len(h.plan.Lines); i++ {
		if h.plan.Lines[i].IsCharge() {
			return i
		}
	}
	return len(h.plan.Lines)
}

// sentAny reports whether any line was or may have been sent.
func (h *session) sentAny() bool {
	return h.record().IsSending() || slices.ContainsFunc(h.plan.Lines[:h.added], billing.Line.IsCharge) //mutant:sent-any
}

// send adds a line that no call was made for yet. The order is permit, head, clock,
// call: whoever takes the head over knows that the line may have been sent, and a
// holder that was asleep in between sends nothing.
func (h *session) sendLine(ctx context.Context, line int) (billing.Invoice, error) {
	permit, err := h.permit(ctx)
	if err != nil {
		return billing.Invoice{}, err
	}
	sent := h.Now()
	err = h.lease.commit(ctx, func(step *billing.Step) {
		h.applyProgress(step)
		step.Record.Cursor = line
		step.Record.SendingSince = sent.Unix() //mutant:sending-since
		step.Record.InDoubt = false
	})
	if err != nil {
		return billing.Invoice{}, err
	}
	h.added = line

	var invoice billing.Invoice
	err = h.callUnder(ctx, permit, h.addCharge(line, startedAt(sent), &invoice))
	if failure, ok := asFailure(err); ok {
		return invoice, h.recover(ctx, opAdd, failure)
	}
	if err != nil { // nothing was sent
		return invoice, errors.Join(h.undoSend(ctx), err)
	}
	return invoice, nil
}

// takeBack notes that the line at the cursor was not sent after all.
func (h *session) undoSend(ctx context.Context) error {
	return h.lease.commit(ctx, func(step *billing.Step) { step.Record.SendingSince = 0 })
}

// adding is the call that adds a line, whether for the first time or again. It starts
// only while the lease outlasts it and Chargebee is sure to know its key.
func (h *session) addCharge(line int, sent stopwatch, into *billing.Invoice) func(context.Context, *ratelimit.Permit) error {
	return func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
			return err
		}
		if sent.elapsed(h.Now()) > h.Settings.resendLimit() { //mutant:send-deadline
			return errReload
		}
		*into, err = h.Charger.AddCharge(ctx, permit, h.chargeOf(line))
		h.Breaker.Record(h.manifest.InvoiceID, err)
		return err
	}
}

func (h *session) chargeOf(i int) billing.Charge {
	line := h.plan.Lines[i]
	charge := billing.Charge{
		InvoiceID:      h.manifest.InvoiceID,
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
	if h.manifest.SubscriptionID == "" {
		charge.SubscriptionID = line.SubscriptionID
	}
	return charge
}

// note writes down that lines were added, if the head does not know it yet.
func (h *session) saveProgress(ctx context.Context) error {
	if h.added <= h.record().Cursor {
		return nil
	}
	return h.lease.commit(ctx, h.applyProgress)
}

// record puts into a step what was added since the last one.
func (h *session) applyProgress(step *billing.Step) {
	if h.added > step.Record.Cursor {
		step.Record.Cursor = h.added
		step.Record.SendingSince = 0
		step.Record.InDoubt = false
		step.Record.Attempts = 0
	}
}

// charged ends charging: every line stands on the invoice.
func (h *session) endCharging(ctx context.Context) error {
	if err := h.verifyAllAdded(ctx); err != nil {
		return err
	}
	if !h.sentAny() {
		if h.draft == nil {
			if err := h.checkPlan(ctx); err != nil {
				return err
			}
		}
		if len(h.draft.Lines) == 0 { // Chargebee closes no invoice without a line
			return h.startSettling(ctx, billing.ReconcileResult{
				Outcome:      billing.Empty,
				Dispositions: billing.RepeatDisposition(billing.NotCharged, len(h.plan.Lines)),
			}, "")
		}
	}
	if h.Settings.leavesOpen(h.plan.Lines) {
		return h.startSettling(ctx, billing.ReconcileResult{Outcome: billing.LeftOpen}, "")
	}
	return h.lease.commit(ctx, func(step *billing.Step) {
		h.applyProgress(step)
		step.Record.Cursor = len(h.plan.Lines)
		step.Record.SendingSince = 0
		step.Record.State = billing.Closing
		step.Record.Attempts = 0
	})
}

// finish writes what became of the lines and begins to settle their events. Those of
// one page are settled in the same step.
func (h *session) startSettling(ctx context.Context, result billing.ReconcileResult, finalInvoiceID string) error {
	settling := func(step *billing.Step) {
		h.applyProgress(step)
		step.Record.State, step.Record.Resume = billing.Settling, ""
		step.Record.Dispositions = result.Dispositions
		step.Record.Outcome = result.Outcome
		step.Record.Reason = result.Reason
		step.Record.Detail = result.Detail
		step.Final = finalInvoiceID != "" && finalInvoiceID != step.Record.FinalInvoiceID
		step.Record.FinalInvoiceID = finalInvoiceID
		step.Record.ProcessedPages = 0
		step.Record.Attempts = 0
	}
	if h.record().Pages > 1 {
		return h.lease.commit(ctx, settling)
	}
	pass := &pageWalk{session: h, begin: settling, disposition: h.dispositionOf(result.Dispositions), end: h.applyEnd}
	return pass.run(ctx, 0)
}
