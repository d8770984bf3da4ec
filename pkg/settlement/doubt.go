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
	letPass                   // neither is safe: wait until the key is forgotten
	lookForLine               // whatever was sent has had its effect and shows
)

// decideRemedy says what to do about a line in doubt, by the time since it was
// first sent.
func decideRemedy(elapsed time.Duration, settings Settings) remedy {
	switch {
	case elapsed <= settings.sendUntil():
		return sendAgain
	case elapsed < settings.IdempotencyWindow:
		return letPass
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
	case letPass:
		return h.letPass(head, "a line may have been added")
	default:
		return h.look(ctx, head.Cursor)
	}
}

func (h *handling) letPass(head billing.Head, why string) error {
	return h.until(time.Unix(head.SendingSince, 0).Add(h.Settings.IdempotencyWindow), why)
}

// resend sends the line again, with the same key and the same bytes. Only success
// ends the doubt: a refusal may be about the twin, or be an old one replayed.
func (h *handling) resend(ctx context.Context, line int, sent stopwatch) error {
	if err := h.lease.ensure(ctx, 2*h.Settings.CallTimeout); err != nil {
		return err
	}
	var invoice billing.Invoice
	err := h.call(ctx, h.adding(line, sent, &invoice))
	failure, failedCall := asFailure(err)
	switch {
	case err == nil:
		h.added = line + 1
		if err := h.note(ctx); err != nil {
			return err
		}
		return h.verify(ctx, invoice)
	case !failedCall:
		return err
	case failure.Kind == billing.Missing:
		if _, err := h.pendingDraft(ctx); err != nil {
			return err
		}
		return h.letPass(h.head(), failure.Error())
	case failure.Kind == billing.Permanent:
		return h.letPass(h.head(), failure.Error())
	default:
		return h.explain(failure)
	}
}

// look reads the invoice for the line's marker. It does so only when nothing that
// was sent can still have its effect.
func (h *handling) look(ctx context.Context, line int) error {
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	marker := h.plan.Lines[line].Marker
	switch count := draft.Count(marker); {
	case count == 1:
		h.added = line + 1
		return h.note(ctx)
	case count > 1:
		return duplicate(marker, count, draft.ID)
	case billing.Lookalike(draft, h.plan.Lines, line, h.manifest.LineIDs):
		return &billing.Rejection{
			Reason: billing.AmbiguousLine,
			Detail: fmt.Sprintf("%s has a line of %d without a marker that may be ours, marked %s: restore the marker or remove the line, then replay", draft.ID, h.plan.Lines[line].Amount, marker),
		}
	default:
		// It was never added: the line is sent in a new round. That is no progress,
		// so the attempts go on counting.
		return h.lease.commit(ctx, func(step *billing.Step) {
			step.Head.SendingSince, step.Head.Doubt = 0, false
		})
	}
}
