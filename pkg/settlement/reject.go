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
func (h *session) reject(ctx context.Context, err error) error {
	var rejection *billing.Rejection
	if !errors.As(err, &rejection) {
		return err
	}
	record := h.record()
	// Without its plan nobody knows whether a line was sent: then the claims are held.
	unsent := record.State == billing.Claiming || record.State == billing.Charging && h.loadPlan(ctx) == nil && !h.sentAny()
	h.recheck = false
	return h.lease.commit(ctx, func(step *billing.Step) {
		h.applyProgress(step)
		if !isRejecting(step.Record) {
			step.Record.Reason, step.Record.Detail = rejection.Reason, billing.CutBytes(rejection.Detail, maxDetail)
		}
		step.Record.Attempts = 0 // whoever goes on counts anew
		switch {
		case unsent:
			applyRelease(step)
		case step.Record.State == billing.Rejected:
			applyRejection(step, step.Record.Resume)
		default:
			applyRejection(step, step.Record.State)
		}
	})
}

// releaseUnsent begins to release the claims of an invoice on which no line was sent. One
// without claims ends at once.
func applyRelease(step *billing.Step) {
	if step.Record.Pages == 0 {
		applyRejection(step, billing.Claiming)
		return
	}
	step.Record.State, step.Record.ProcessedPages = billing.Releasing, 0
}

// rejecting tells whether the invoice is on its way to be rejected: its events are
// being given back, or its verdict carried out. Whatever goes wrong meanwhile, the
// reason is the one that it began with.
func isRejecting(record billing.Record) bool {
	return record.Reason != "" && record.State != billing.Rejected
}

// rejected ends the work on the invoice; a later message resumes it in the given
// state.
func applyRejection(step *billing.Step, resume billing.State) {
	step.Record.State, step.Record.Resume = billing.Rejected, resume //mutant:rejected
	step.Record.Owner, step.Record.LeaseUntil = "", 0
}

// resume goes on with an invoice that was rejected with its claims held. The head
// stays rejected until its lines were looked at: whoever crashes here leaves it so.
func (h *session) resume(ctx context.Context) error {
	record := h.record()
	if isDecided(record) {
		return h.resumeState(ctx, 0)
	}
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	if record.Dispositions != "" {
		return h.reconcile(ctx, h.Now())
	}
	missing, gone, err := h.missingLine(ctx)
	if err == nil && missing != "" {
		// What was added right before the rejection may not show yet.
		if err := retry.Wait(ctx, h.Settings.MaxEffectDelay, nil); err != nil {
			return err
		}
		missing, gone, err = h.missingLine(ctx)
	}
	switch {
	case err != nil:
		return err
	case gone && record.MissingSince == 0 && record.Resume == billing.Closing:
		return h.resumeState(ctx, 0) // the repeated close is answered with the invoice, if it was ours
	case gone && record.MissingSince == 0:
		return h.resumeState(ctx, h.Now().Unix())
	case gone:
		return h.resumeState(ctx, record.MissingSince)
	case missing != "":
		return &billing.Rejection{Reason: billing.LineRemoved, Detail: "the line " + missing + " is not on " + h.manifest.InvoiceID}
	}
	h.linesSeen = !record.IsSending()
	return h.resumeState(ctx, 0)
}

// decided tells whether what becomes of the lines of a rejected invoice no longer depends
// on what stands at Chargebee.
func isDecided(record billing.Record) bool {
	return record.Resume == billing.Releasing || record.Resume == billing.Settling && record.Dispositions == ""
}

// missing reads the draft, unless it is gone, and returns the mark of an added line that
// is not on it.
func (h *session) missingLine(ctx context.Context) (mark string, gone bool, err error) {
	draft, gone, err := h.readDraft(ctx)
	if err != nil || gone {
		return "", gone, err
	}
	mark, err = h.compareLines(draft)
	return mark, false, err
}

// goOn leaves the state rejected for the one before it.
func (h *session) resumeState(ctx context.Context, goneAt int64) error {
	h.recheck = false
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Record.State, step.Record.Resume = step.Record.Resume, ""
		step.Record.MissingSince = goneAt
		if step.Record.State != billing.Releasing { // that ends with the reason that it began with
			step.Record.Reason, step.Record.Detail = "", ""
		}
	})
}
