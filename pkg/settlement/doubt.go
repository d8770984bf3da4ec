package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// remedy is what to do about a line that may or may not stand on the invoice.
type doubtAction int

const (
	resendLine    doubtAction = iota // Chargebee still knows the key: a twin has no effect
	waitForExpiry                    // neither is safe: wait until the key is forgotten
	readBackLine                     // whatever was sent has had its effect and shows
)

// decideRemedy says what to do about a line in doubt, by the time since it was
// first sent.
func decideDoubt(elapsed time.Duration, settings Settings) doubtAction {
	switch {
	case elapsed <= settings.resendLimit(): //mutant:doubt-send-again
		return resendLine
	case elapsed < settings.IdempotencyWindow: //mutant:doubt-wait
		return waitForExpiry
	default:
		return readBackLine
	}
}

// resolve finds out whether the line at the cursor stands on the invoice.
func (h *session) resolveDoubt(ctx context.Context) error {
	record := h.record()
	sent := resumedAt(record.SendingSince, h.Now())
	switch decideDoubt(sent.elapsed(h.Now()), h.Settings) {
	case resendLine:
		return h.resend(ctx, record.Cursor, sent)
	case waitForExpiry:
		return h.deferUntilKeyExpires(record, "a line may have been added")
	default:
		return h.readBack(ctx, record.Cursor)
	}
}

// resend sends the line again, with the same key and the same bytes. Only success
// ends the doubt: a refusal may be about the twin, or be an old one replayed.
func (h *session) resend(ctx context.Context, line int, sent stopwatch) error {
	if err := h.lease.ensure(ctx, h.Settings.minLeaseForPermit()); err != nil {
		return err
	}
	var invoice billing.Invoice
	err := h.call(ctx, h.addCharge(line, sent, &invoice))
	if failure, ok := asFailure(err); ok { //mutant:resend-failed
		return h.recover(ctx, opResend, failure)
	}
	if err != nil { //mutant:resend-not-sent
		return err
	}
	h.added = line + 1
	if err := h.saveProgress(ctx); err != nil {
		return err
	}
	return h.verifyLines(ctx, invoice)
}

// look reads the invoice for the line. It does so only when nothing that was
// sent can still have its effect.
func (h *session) readBack(ctx context.Context, line int) error {
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	ours := h.plan.Lines[line]
	found := billing.Recognize(draft, h.plan.Lines, h.manifest.Originals)
	switch count := found.Counts[line]; {
	case count == 1:
		h.added = line + 1
		return h.saveProgress(ctx)
	case count > 1:
		return errDuplicate(ours, count, draft.ID)
	case found.Resembles(line): //mutant:doubt-resembles
		return &billing.Rejection{
			Reason: billing.AmbiguousLine,
			Detail: fmt.Sprintf("%s has a line that may be ours of %d %s after a manual edit: restore it or remove it, then replay", draft.ID, ours.Amount, ours.Identity()),
		}
	default:
		// It was never added: the line is sent in a new round. That is no progress,
		// so the attempts go on counting.
		return h.lease.commit(ctx, func(step *billing.Step) {
			step.Record.SendingSince, step.Record.InDoubt = 0, false
		})
	}
}
