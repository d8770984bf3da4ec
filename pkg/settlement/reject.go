package settlement

import (
	"context"
	"errors"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

// maxDetail is the maximum length in bytes of the detail of a record and of a dead letter. A record with such a detail,
// 800 dispositions and the longest ids is smaller than 4 KB, one read unit.
const maxDetail = queue.MaxDetail

// recordRejection writes the rejection in err to the record. It returns any other err unchanged, also nil.
// If the invoice was being claimed or charged and no line was sent, the claims are released. Otherwise they stay, and a
// later message resumes the state.
func (s *session) recordRejection(ctx context.Context, err error) error {
	rejection, ok := errors.AsType[*billing.Rejection](err)
	if !ok {
		return err
	}
	record := s.record()
	// If the plan cannot be read, a line may have been sent: the claims stay.
	unsent := record.State == billing.Claiming || record.State == billing.Charging && s.loadPlan(ctx) == nil && !s.sentAny()
	s.recheck = false
	return s.lease.commit(ctx, func(step *billing.Step) {
		s.applyProgress(step)
		if !isRejecting(step.Record) {
			step.Record.Reason, step.Record.Detail = rejection.Reason, billing.CutBytes(rejection.Detail, maxDetail)
		}
		step.Record.Attempts = 0
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

// applyRelease starts to release the claims of an invoice for which no line was sent. If there are no
// claims, the invoice is rejected at once.
func applyRelease(step *billing.Step) {
	if step.Record.Pages == 0 {
		applyRejection(step, billing.Claiming)
		return
	}
	step.Record.State, step.Record.ProcessedPages = billing.Releasing, 0
}

// isRejecting reports whether the record has a reason, but its claims are still being released or its
// dispositions applied. Another failure does not replace that reason.
func isRejecting(record billing.Record) bool {
	return record.Reason != "" && record.State != billing.Rejected
}

// applyRejection rejects the invoice and ends the lease. A later message resumes in the given state.
func applyRejection(step *billing.Step, resume billing.State) {
	step.Record.State, step.Record.Resume = billing.Rejected, resume //mutant:rejected
	endLease(&step.Record)
}

// resume continues with a rejected invoice whose claims were not released. The record stays rejected
// until the added lines were compared with the draft, so that a session that takes over compares them too.
func (s *session) resume(ctx context.Context) error {
	record := s.record()
	if isDecided(record) {
		return s.resumeState(ctx, 0)
	}
	if err := s.loadPlan(ctx); err != nil {
		return err
	}
	if record.Dispositions != "" {
		return s.reconcile(ctx, s.Now())
	}
	lostLine, missing, err := s.findLostLine(ctx)
	if err == nil && lostLine != "" {
		// A line that was added right before the rejection may not be visible yet.
		if err := retry.Wait(ctx, s.Settings.MaxEffectDelay, nil); err != nil {
			return err
		}
		lostLine, missing, err = s.findLostLine(ctx)
	}
	switch {
	case err != nil:
		return err
	case missing && record.MissingSince == 0 && record.Resume != billing.Closing:
		return s.resumeState(ctx, s.Now().Unix())
	case missing: // without MissingSince, closeInvoice repeats its call: the response may have the final invoice
		return s.resumeState(ctx, record.MissingSince)
	case lostLine != "":
		return &billing.Rejection{Reason: billing.LineRemoved, Detail: "the line " + lostLine + " is not on " + s.manifest.InvoiceID}
	}
	s.linesSeen = !record.IsSending() // a line that was being sent was not compared
	return s.resumeState(ctx, 0)
}

// isDecided reports whether Chargebee need not be read to resume a rejected invoice: all claims are to be
// released, or all lines are charged.
func isDecided(record billing.Record) bool {
	return record.Resume == billing.Releasing || record.Resume == billing.Settling && record.Dispositions == ""
}

// findLostLine reads the draft, and returns the identity of an added line that is not on it; empty if there
// is none. missing reports that the draft does not exist or is not pending.
func (s *session) findLostLine(ctx context.Context) (identity string, missing bool, err error) {
	draft, missing, err := s.readDraft(ctx)
	if err != nil || missing {
		return "", missing, err
	}
	identity, err = s.compareLines(draft)
	return identity, false, err
}

// resumeState changes a rejected record to the state that it resumes in, and sets MissingSince.
func (s *session) resumeState(ctx context.Context, missingSince int64) error {
	s.recheck = false
	return s.lease.commit(ctx, func(step *billing.Step) {
		step.Record.State, step.Record.Resume = step.Record.Resume, ""
		step.Record.MissingSince = missingSince
		if step.Record.State != billing.Releasing { // a release ends with the reason that it started with
			step.Record.Reason, step.Record.Detail = "", ""
		}
	})
}
