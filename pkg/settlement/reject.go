package settlement

import (
	"context"
	"errors"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

// maxDetail is the most bytes of a detail that the head keeps: as many as the dead
// letter takes. With a verdict of 750 letters and the longest ids the head stays below
// the 4 KB that one read unit pays for.
const maxDetail = queue.MaxDetail

// reject writes a rejection into the head; other errors are returned as they are.
// As long as nothing was sent, the claimed events are given back; after that they
// are held, and a later message resumes where this one stopped.
func (h *handling) reject(ctx context.Context, err error) error {
	var rejection *billing.Rejection
	if !errors.As(err, &rejection) {
		return err
	}
	head := h.head()
	// Without its plan nobody knows whether a line was sent: then the claims are held.
	unsent := head.State == billing.Claiming || head.State == billing.Charging && h.loadPlan(ctx) == nil && !h.sentAny()
	h.recheck = false
	return h.lease.commit(ctx, func(step *billing.Step) {
		h.record(step)
		if !rejecting(step.Head) {
			step.Head.Reason, step.Head.Detail = rejection.Reason, billing.CutBytes(rejection.Detail, maxDetail)
		}
		step.Head.Attempts = 0 // whoever goes on counts anew
		switch {
		case unsent:
			releaseUnsent(step)
		case step.Head.State == billing.Rejected:
			rejected(step, step.Head.Resume)
		default:
			rejected(step, step.Head.State)
		}
	})
}

// releaseUnsent begins to release the claims of an invoice on which no line was sent. One
// without claims ends at once.
func releaseUnsent(step *billing.Step) {
	if step.Head.Pages == 0 {
		rejected(step, billing.Claiming)
		return
	}
	step.Head.State, step.Head.Settled = billing.Releasing, 0
}

// rejecting tells whether the invoice is on its way to be rejected: its events are
// being given back, or its verdict carried out. Whatever goes wrong meanwhile, the
// reason is the one that it began with.
func rejecting(head billing.Head) bool {
	return head.Reason != "" && head.State != billing.Rejected
}

// rejected ends the work on the invoice; a later message resumes it in the given
// state.
func rejected(step *billing.Step, resume billing.State) {
	step.Head.State, step.Head.Resume = billing.Rejected, resume //mutant:rejected
	step.Head.Owner, step.Head.LeaseUntil = "", 0
}

// resume goes on with an invoice that was rejected with its claims held. The head
// stays rejected until its lines were looked at: whoever crashes here leaves it so.
func (h *handling) resume(ctx context.Context) error {
	head := h.head()
	if decided(head) {
		return h.goOn(ctx, 0)
	}
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	if head.Verdict != "" {
		return h.judge(ctx, h.Now())
	}
	missing, gone, err := h.missing(ctx)
	if err == nil && missing != "" {
		// What was added right before the rejection may not show yet.
		if err := retry.Wait(ctx, h.Settings.MaxEffectDelay, nil); err != nil {
			return err
		}
		missing, gone, err = h.missing(ctx)
	}
	switch {
	case err != nil:
		return err
	case gone && head.GoneAt == 0 && head.Resume == billing.Closing:
		return h.goOn(ctx, 0) // the repeated close is answered with the invoice, if it was ours
	case gone && head.GoneAt == 0:
		return h.goOn(ctx, h.Now().Unix())
	case gone:
		return h.goOn(ctx, head.GoneAt)
	case missing != "":
		return &billing.Rejection{Reason: billing.LineRemoved, Detail: "the line " + missing + " is not on " + h.manifest.InvoiceID}
	}
	h.shown = !head.Sending()
	return h.goOn(ctx, 0)
}

// decided tells whether what becomes of the lines of a rejected invoice no longer depends
// on what stands at Chargebee.
func decided(head billing.Head) bool {
	return head.Resume == billing.Releasing || head.Resume == billing.Settling && head.Verdict == ""
}

// missing reads the draft, unless it is gone, and returns the mark of an added line that
// is not on it.
func (h *handling) missing(ctx context.Context) (mark string, gone bool, err error) {
	draft, gone, err := h.readDraft(ctx)
	if err != nil || gone {
		return "", gone, err
	}
	mark, err = h.compare(draft)
	return mark, false, err
}

// goOn leaves the state rejected for the one before it.
func (h *handling) goOn(ctx context.Context, goneAt int64) error {
	h.recheck = false
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Head.State, step.Head.Resume = step.Head.Resume, ""
		step.Head.GoneAt = goneAt
		if step.Head.State != billing.Releasing { // that ends with the reason that it began with
			step.Head.Reason, step.Head.Detail = "", ""
		}
	})
}
