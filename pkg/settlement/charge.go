package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// charge adds the lines of the plan to the invoice, one call each.
func (h *handling) charge(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	head := h.head()
	if head.GoneAt != 0 {
		return h.gone(ctx)
	}
	if head.Doubt {
		return h.resolve(ctx)
	}
	if !h.current && !h.sentAny() { //mutant:check-plan
		if err := h.checkPlan(ctx); err != nil {
			return err
		}
	}
	for {
		line := h.next()
		if line == len(h.plan.Lines) {
			return h.charged(ctx)
		}
		invoice, err := h.send(ctx, line)
		if err != nil {
			return h.refused(ctx, err)
		}
		h.added = line + 1
		if err := h.verify(ctx, invoice); err != nil {
			return err
		}
	}
}

// refused decides on a charge that failed. If nothing was charged yet, the draft may have
// changed since the plan was made: it is read before its invoice is rejected.
func (h *handling) refused(ctx context.Context, err error) error {
	if _, rejected := errors.AsType[*billing.Rejection](err); rejected && !h.sentAny() {
		if changed := h.checkPlan(ctx); changed != nil {
			return changed
		}
	}
	return err
}

// next returns the index of the next line to send.
func (h *handling) next() int {
	for i := h.added; i < len(h.plan.Lines); i++ {
		if h.plan.Lines[i].IsCharge() {
			return i
		}
	}
	return len(h.plan.Lines)
}

// sentAny reports whether any line was or may have been sent.
func (h *handling) sentAny() bool {
	return h.head().Sending() || slices.ContainsFunc(h.plan.Lines[:h.added], billing.Line.IsCharge) //mutant:sent-any
}

// send adds a line that no call was made for yet. The order is permit, head, clock,
// call: whoever takes the head over knows that the line may have been sent, and a
// holder that was asleep in between sends nothing.
func (h *handling) send(ctx context.Context, line int) (billing.Invoice, error) {
	permit, err := h.permit(ctx)
	if err != nil {
		return billing.Invoice{}, err
	}
	sent := h.Now()
	err = h.lease.commit(ctx, func(step *billing.Step) {
		h.record(step)
		step.Head.Cursor = line
		step.Head.SendingSince = sent.Unix() //mutant:sending-since
		step.Head.Doubt = false
	})
	if err != nil {
		return billing.Invoice{}, err
	}
	h.added = line

	var invoice billing.Invoice
	err = h.callUnder(ctx, permit, h.adding(line, startedAt(sent), &invoice))
	if failure, ok := asFailure(err); ok {
		return invoice, h.fail(ctx, adding, failure)
	}
	if err != nil { // nothing was sent
		return invoice, errors.Join(h.takeBack(ctx), err)
	}
	return invoice, nil
}

// takeBack notes that the line at the cursor was not sent after all.
func (h *handling) takeBack(ctx context.Context) error {
	return h.lease.commit(ctx, func(step *billing.Step) { step.Head.SendingSince = 0 })
}

// adding is the call that adds a line, whether for the first time or again. It starts
// only while the lease outlasts it and Chargebee is sure to know its key.
func (h *handling) adding(line int, sent stopwatch, into *billing.Invoice) func(context.Context, *ratelimit.Permit) error {
	return func(ctx context.Context, permit *ratelimit.Permit) (err error) {
		if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
			return err
		}
		if sent.elapsed(h.Now()) > h.Settings.sendUntil() { //mutant:send-deadline
			return errAnew
		}
		*into, err = h.Charger.AddCharge(ctx, permit, h.chargeOf(line))
		h.Breaker.Record(h.manifest.InvoiceID, err)
		return err
	}
}

func (h *handling) chargeOf(i int) billing.Charge {
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
func (h *handling) note(ctx context.Context) error {
	if h.added <= h.head().Cursor {
		return nil
	}
	return h.lease.commit(ctx, h.record)
}

// record puts into a step what was added since the last one.
func (h *handling) record(step *billing.Step) {
	if h.added > step.Head.Cursor {
		step.Head.Cursor = h.added
		step.Head.SendingSince = 0
		step.Head.Doubt = false
		step.Head.Attempts = 0
	}
}

// charged ends charging: every line stands on the invoice.
func (h *handling) charged(ctx context.Context) error {
	if err := h.prove(ctx); err != nil {
		return err
	}
	if !h.sentAny() {
		if h.draft == nil {
			if err := h.checkPlan(ctx); err != nil {
				return err
			}
		}
		if len(h.draft.Lines) == 0 { // Chargebee closes no invoice without a line
			return h.finish(ctx, billing.ReconcileResult{
				Outcome:      billing.Empty,
				Dispositions: billing.RepeatDisposition(billing.NotCharged, len(h.plan.Lines)),
			}, "")
		}
	}
	if h.Settings.leavesOpen(h.plan.Lines) {
		return h.finish(ctx, billing.ReconcileResult{Outcome: billing.LeftOpen}, "")
	}
	return h.lease.commit(ctx, func(step *billing.Step) {
		h.record(step)
		step.Head.Cursor = len(h.plan.Lines)
		step.Head.SendingSince = 0
		step.Head.State = billing.Closing
		step.Head.Attempts = 0
	})
}

// finish writes what became of the lines and begins to settle their events. Those of
// one page are settled in the same step.
func (h *handling) finish(ctx context.Context, judgement billing.ReconcileResult, finalInvoiceID string) error {
	settling := func(step *billing.Step) {
		h.record(step)
		step.Head.State, step.Head.Resume = billing.Settling, ""
		step.Head.Verdict = judgement.Dispositions
		step.Head.Outcome = judgement.Outcome
		step.Head.Reason = judgement.Reason
		step.Head.Detail = judgement.Detail
		step.Final = finalInvoiceID != "" && finalInvoiceID != step.Head.FinalInvoiceID
		step.Head.FinalInvoiceID = finalInvoiceID
		step.Head.Settled = 0
		step.Head.Attempts = 0
	}
	if h.head().Pages > 1 {
		return h.lease.commit(ctx, settling)
	}
	pass := &pass{handling: h, begin: settling, letter: h.letterOf(judgement.Dispositions), end: h.ended}
	return pass.over(ctx, 0)
}
