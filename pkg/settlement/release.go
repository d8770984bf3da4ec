package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// ErrNoInvoice means that there is no invoice with the given id.
var ErrNoInvoice = errors.New("settlement: no such invoice")

// Order is an operator's order to release the claims of an invoice.
type Order struct {
	InvoiceID string // of the draft

	// NotCharged is the operator's evidence that lines that may have been charged were not; empty for no assertion.
	// The ledger keeps it.
	NotCharged string

	// Reason is the operator's reason for the release. The ledger keeps it.
	Reason string

	DryRun bool // nothing is written
}

// Release is the result of an Order.
type Release struct {
	Record       billing.Record       // after the release; in a dry run as it was found
	Claimed      bool                 // there were events to release or to bill; otherwise only Record is set
	CurrencyCode string               // of the lines
	Lines        []billing.Line       // of the plan; empty if no plan could be made
	Dispositions billing.Dispositions // of the lines
}

// Release ends the claims of a rejected invoice: it marks events whose lines are on the final invoice as billed,
// and releases all others. It also releases billed events of an invoice that was voided or deleted. It resumes a
// release or settlement that was interrupted. It changes nothing at Chargebee.
//
// The error is a *Refusal if the state in the ledger or at Chargebee does not allow the release. The claims are
// then unchanged.
func (s *Settler) Release(ctx context.Context, order Order) (Release, error) {
	found, ok, err := s.Ledger.Record(ctx, order.InvoiceID)
	if err != nil {
		return Release{}, fmt.Errorf("read the record of %s: %w", order.InvoiceID, err)
	}
	if !ok {
		return Release{}, fmt.Errorf("%w: %s", ErrNoInvoice, order.InvoiceID)
	}
	action, err := decideRelease(found, order, s.Now(), s.Settings)
	if err != nil || action == nothingClaimed {
		return Release{Record: found}, err
	}

	r := s.newReleaser(order, found)
	r.lease.keepUpdatedAt = action == readChargebee || action == readFinal

	release, err := r.run(ctx, action)
	if err != nil && !errors.Is(err, billing.ErrFenced) {
		r.releaseRecord(ctx)
	}
	return release, r.explainFenced(err)
}

// explainFenced replaces billing.ErrFenced by an error that contains what to do. It returns any other error.
func (r *releaser) explainFenced(err error) error {
	if !errors.Is(err, billing.ErrFenced) {
		return err
	}
	return fmt.Errorf("another session acquired %s: inspect it with invoice show, then run this again", r.order.InvoiceID)
}

// newReleaser returns a releaser for an invoice. found is its record; zero if there is none.
func (s *Settler) newReleaser(order Order, found billing.Record) *releaser {
	ledger := s.Ledger
	if order.DryRun {
		ledger = dryRunLedger{ledger}
	}
	r := &releaser{
		session: &session{Settler: s, lease: newLease(ledger, s.Now, s.Settings.Lease), report: &Report{}},
		order:   order,
		found:   found,
	}
	r.invoice.ID, r.added = order.InvoiceID, found.Cursor
	r.assertedNotCharged = order.NotCharged != "" //mutant:asserted
	r.lease.record = found
	return r
}

// dryRunLedger discards every write.
type dryRunLedger struct{ Ledger }

func (dryRunLedger) Commit(context.Context, billing.Step) error { return nil }

// releaser executes one order in a session of its own.
type releaser struct {
	*session

	order Order
	found billing.Record
}

// run acquires the record, decides, and settles the events. It acquires the record before it reads anything else:
// after that, a paused process that owned the record can write nothing to the ledger. A dry run does not acquire it.
func (r *releaser) run(ctx context.Context, action releaseAction) (Release, error) {
	err := r.lease.commit(ctx, func(step *billing.Step) {
		setOwner(&step.Record)
		step.Record.InDoubt = step.Record.InDoubt || step.Record.IsSending()
	})
	if err == nil {
		err = r.loadManifest(ctx)
	}
	if err == nil {
		err = r.loadPlanIfAny(ctx)
	}
	if err != nil {
		return Release{}, err
	}
	started := r.Now()
	switch {
	case action == readChargebee:
		err = r.decide(ctx, started)
	case action == readFinal:
		err = r.releaseBilled(ctx, started)
	case r.record().State == billing.Rejected: // applyDecision
		err = r.resumeState(ctx, 0)
	}
	if err != nil {
		return Release{}, err
	}
	release := Release{Claimed: true, CurrencyCode: r.manifest.CurrencyCode, Lines: r.plan.Lines, Dispositions: r.dispositions()}
	if r.order.DryRun {
		release.Record = r.found
		return release, nil
	}
	err = r.settleEvents(ctx)
	release.Record = r.record()
	return release, err
}

// loadPlanIfAny reads the plan. In the state Releasing there may be none: the events could not be billed.
func (r *releaser) loadPlanIfAny(ctx context.Context) error {
	err := r.loadPlan(ctx)
	releasing := r.record().State == billing.Releasing || r.record().Resume == billing.Releasing
	if releasing && errors.Is(err, billing.ErrNotFound) {
		return nil
	}
	return err
}

// decide decides about the lines by the draft while that is pending, or else by the final invoice. It records the
// decision.
func (r *releaser) decide(ctx context.Context, started time.Time) error {
	if r.record().Dispositions != "" {
		return r.reconcileRelease(ctx, started)
	}
	var draft billing.Invoice
	var missing bool
	err := untilAnswered(func() (err error) {
		draft, missing, err = r.readDraft(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case !missing:
		return r.releaseFromDraft(ctx, draft)
	}
	if err := r.recordMissing(ctx, r.Now()); err != nil {
		return err
	}
	return r.reconcileRelease(ctx, started)
}

// releaseFromDraft releases all claims if no line of the plan is on the pending draft.
func (r *releaser) releaseFromDraft(ctx context.Context, draft billing.Invoice) error {
	if err := decideDraft(draft, r.plan.Lines, r.record(), r.manifest.Originals, r.assertedNotCharged); err != nil {
		return err
	}
	r.lease.keepUpdatedAt = false
	return r.lease.commit(ctx, func(step *billing.Step) {
		step.Record.State, step.Record.Resume = billing.Releasing, ""
		step.Record.SendingSince, step.Record.InDoubt, step.Record.MissingSince = 0, false, 0
		step.Record.ProcessedPages, step.Record.Attempts = 0, 0
		step.Record.Detail = r.detail(r.found.Detail)
	})
}

// reconcileRelease decides about the lines of a missing draft and starts to settle their events, as reconcile
// does. It refuses to leave events claimed.
func (r *releaser) reconcileRelease(ctx context.Context, started time.Time) error {
	var result billing.ReconcileResult
	var finalInvoiceID string
	err := untilAnswered(func() (err error) {
		result, finalInvoiceID, err = r.reconcileWhenVisible(ctx, started)
		return err
	})
	if err != nil {
		return r.explainDelay(err)
	}
	if result.Dispositions.Has(billing.ChargeUnknown) {
		return errChargeUnknown(r.manifest, result, r.plan.Lines)
	}
	result.Detail = r.detail(result.Detail)
	r.lease.keepUpdatedAt = false
	return r.startSettling(ctx, result, finalInvoiceID)
}

// explainDelay adds a hint to a deferral in a dry run, which does not record MissingSince: the delay never ends.
func (r *releaser) explainDelay(err error) error {
	if deferred, ok := errors.AsType[*deferral](err); ok && r.order.DryRun && r.found.MissingSince == 0 && r.found.Dispositions == "" {
		return fmt.Errorf("%w; the delay starts only with --yes, which records that the draft is no longer pending", deferred)
	}
	return err
}

// detail returns the new detail of the record: time, reason and assertion of the order, and then the previous
// detail.
func (r *releaser) detail(previous string) string {
	detail := "released at " + formatTime(r.Now())
	if r.order.Reason != "" {
		detail += ": " + r.order.Reason
	}
	if r.order.NotCharged != "" {
		detail += ", asserted as not charged: " + r.order.NotCharged
	}
	if previous != "" {
		detail += "; " + previous
	}
	return billing.CutBytes(detail, maxDetail)
}

// dispositions returns the dispositions that the release applies.
func (r *releaser) dispositions() billing.Dispositions {
	record := r.record()
	if record.State == billing.Releasing || record.State == billing.Rejected && record.Resume == billing.Claiming {
		return billing.RepeatDisposition(billing.NotCharged, len(r.plan.Lines))
	}
	return allDispositions(r.plan, record.Dispositions)
}

// settleEvents releases the events or marks them as billed, as the record has it.
func (r *releaser) settleEvents(ctx context.Context) error {
	switch r.record().State {
	case billing.Releasing:
		return r.release(ctx)
	case billing.Settling:
		return r.bill(ctx)
	default: // startSettling settled the only page
		return nil
	}
}

// releaseRecord ends the lease, so that the next session need not wait for its expiry.
func (r *releaser) releaseRecord(ctx context.Context) {
	// On an error the lease expires.
	_ = r.lease.commit(ctx, func(step *billing.Step) { endLease(&step.Record) })
}
