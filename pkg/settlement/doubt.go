package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// remedy is what to do about a line that may or may not stand on the invoice.
type remedy int

const (
	sendAgain   remedy = iota // Chargebee still knows the key: a twin has no effect
	waitForLine               // neither is safe: wait until the key is forgotten
	lookForLine               // whatever was sent has had its effect and shows
)

// decideRemedy says what to do about a line in doubt, by the time since it was
// first sent.
func decideRemedy(elapsed time.Duration, settings Settings) remedy {
	switch {
	case elapsed <= settings.sendUntil(): //mutant:doubt-send-again
		return sendAgain
	case elapsed < settings.IdempotencyWindow: //mutant:doubt-wait
		return waitForLine
	default:
		return lookForLine
	}
}

// resolve finds out whether the line at the cursor stands on the invoice.
func (h *handling) resolve(ctx context.Context) error {
	head := h.head()
	sent := takenOver(head.SendingSince, h.Now())
	switch decideRemedy(sent.elapsed(h.Now()), h.Settings) {
	case sendAgain:
		return h.resend(ctx, head.Cursor, sent)
	case waitForLine:
		return h.letKeyExpire(head, "a line may have been added")
	default:
		return h.look(ctx, head.Cursor)
	}
}

// resend sends the line again, with the same key and the same bytes. Only success
// ends the doubt: a refusal may be about the twin, or be an old one replayed.
func (h *handling) resend(ctx context.Context, line int, sent stopwatch) error {
	if err := h.lease.ensure(ctx, h.Settings.beforePermit()); err != nil {
		return err
	}
	var invoice billing.Invoice
	err := h.call(ctx, h.adding(line, sent, &invoice))
	if failure, ok := asFailure(err); ok { //mutant:resend-failed
		return h.fail(ctx, addingAgain, failure)
	}
	if err != nil { //mutant:resend-not-sent
		return err
	}
	h.added = line + 1
	if err := h.note(ctx); err != nil {
		return err
	}
	return h.verify(ctx, invoice)
}

// look reads the invoice for the line. It does so only when nothing that was
// sent can still have its effect.
func (h *handling) look(ctx context.Context, line int) error {
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	ours := h.plan.Lines[line]
	found := billing.Recognize(draft, h.plan.Lines, h.manifest.Originals)
	switch count := found.Counts[line]; {
	case count == 1:
		h.added = line + 1
		return h.note(ctx)
	case count > 1:
		return duplicate(ours, count, draft.ID)
	case found.Resembles(line): //mutant:doubt-resembles
		return &billing.Rejection{
			Reason: billing.AmbiguousLine,
			Detail: fmt.Sprintf("%s has a line that may be ours of %d %s after a manual edit: restore it or remove it, then replay", draft.ID, ours.Amount, ours.Identity()),
		}
	default:
		// It was never added: the line is sent in a new round. That is no progress,
		// so the attempts go on counting.
		return h.lease.commit(ctx, func(step *billing.Step) {
			step.Head.SendingSince, step.Head.Doubt = 0, false
		})
	}
}
