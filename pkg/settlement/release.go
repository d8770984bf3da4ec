package settlement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// ErrUnknown says that nobody knows an invoice of this id.
var ErrUnknown = errors.New("settlement: no such invoice")

// Order is what an operator wants released.
type Order struct {
	InvoiceID string // of the draft

	// NotCharged is why lines that may have been charged were not, in the words of the
	// person who vouches for it. Empty: nobody does.
	NotCharged string

	DryRun bool // nothing is written
}

// Release is what became of a rejected invoice, or would become of it.
type Release struct {
	Record       billing.Record       // as it is now; in a dry run as it was found
	Claimed      bool                 // events were held; otherwise there was nothing to do
	Lines        []billing.Line       // of the plan; none if it was refused
	Dispositions billing.Dispositions // what becomes of the events of each line
}

// Release gives the events of a rejected invoice back, or marks those as billed that stand
// on the invoice that its draft became. It goes on with a release that was interrupted.
// Release writes nothing to Chargebee.
//
// Whatever stands in its way is an error that says what to do instead, a *Refusal if it is
// what was found at Chargebee or in the ledger; the head is then as it was found, but for its fence, and gone_at when the draft was first seen to be gone.
func (s *Settler) Release(ctx context.Context, order Order) (Release, error) {
	found, ok, err := s.Ledger.Record(ctx, order.InvoiceID)
	if err != nil {
		return Release{}, fmt.Errorf("read the head of %s: %w", order.InvoiceID, err)
	}
	if !ok {
		return Release{}, fmt.Errorf("%w: %s", ErrUnknown, order.InvoiceID)
	}
	way, err := decideRelease(found, s.Now(), s.Settings)
	if err != nil || way == nothingClaimed {
		return Release{Record: found}, err
	}

	ledger := s.Ledger
	if order.DryRun {
		ledger = dryRunLedger{ledger}
	}
	r := &releaser{
		session: &session{Settler: s, lease: newLease(ledger, s.Now, s.Settings.Lease), report: &Report{}, added: found.Cursor},
		order:   order,
		found:   found,
	}
	r.invoice.ID = found.InvoiceID
	r.assertedNotCharged = order.NotCharged != "" //mutant:asserted
	r.lease.record, r.lease.keepUpdatedAt = found, way == readChargebee

	release, err := r.run(ctx, way)
	if errors.Is(err, billing.ErrFenced) {
		return release, fmt.Errorf("somebody else works on %s now: look at it with invoice show, then run this again", found.InvoiceID)
	}
	if err != nil {
		r.releaseRecord(ctx)
	}
	return release, err
}

// unwritten is a ledger that takes every write and keeps none. A dry run that is made on
// it decides as the real one does.
type dryRunLedger struct{ Ledger }

func (dryRunLedger) Commit(context.Context, billing.Step) error { return nil }

// releaser is the work on one order under one lease.
type releaser struct {
	*session

	order Order
	found billing.Record
}

// run takes the head, decides, and carries the decision out. The fence comes first: what
// is read after it no sleeper of the past can make wrong.
func (r *releaser) run(ctx context.Context, way releaseAction) (Release, error) {
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
	case way == readChargebee:
		err = r.decide(ctx, started)
	case r.record().State == billing.Rejected:
		err = r.resumeState(ctx, 0)
	}
	if err != nil {
		return Release{}, err
	}
	release := Release{Claimed: true, Lines: r.plan.Lines, Dispositions: r.dispositions()}
	if r.order.DryRun {
		release.Record = r.found
		return release, nil
	}
	err = r.apply(ctx)
	release.Record = r.record()
	return release, err
}

// knowPlan reads the plan. There is none if it was the events that were refused.
func (r *releaser) loadPlanIfAny(ctx context.Context) error {
	err := r.loadPlan(ctx)
	releasing := r.record().State == billing.Releasing || r.record().Resume == billing.Releasing
	if releasing && errors.Is(err, billing.ErrNotFound) {
		return nil
	}
	return err
}

// decide writes into the head what becomes of the lines, by what stands at Chargebee. The
// draft comes first: while it is pending, it alone tells.
func (r *releaser) decide(ctx context.Context, started time.Time) error {
	if r.record().Dispositions != "" {
		return r.reconcileRelease(ctx, started)
	}
	var draft billing.Invoice
	var gone bool
	err := untilAnswered(func() (err error) {
		draft, gone, err = r.readDraft(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case !gone:
		return r.releaseFromDraft(ctx, draft)
	}
	if r.record().MissingSince == 0 {
		if err := r.lease.commit(ctx, func(step *billing.Step) { step.Record.MissingSince = r.Now().Unix() }); err != nil {
			return err
		}
	}
	return r.reconcileRelease(ctx, started)
}

// byDraft gives everything back if none of our lines stands on the pending draft.
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

// bySuccessor judges the lines of a draft that is gone, as a message would, and with what a
// person vouches for.
func (r *releaser) reconcileRelease(ctx context.Context, started time.Time) error {
	var result billing.ReconcileResult
	var finalInvoiceID string
	err := untilAnswered(func() (err error) {
		result, finalInvoiceID, err = r.reconcileWhenVisible(ctx, started)
		return err
	})
	if later, ok := errors.AsType[*deferral](err); ok && r.order.DryRun && r.found.MissingSince == 0 && r.found.Dispositions == "" {
		return fmt.Errorf("%w; only with --yes it is written down that the draft is gone, and the time runs", later)
	}
	if err != nil {
		return err
	}
	if result.Dispositions.Has(billing.ChargeUnknown) {
		return errChargeUnknown(r.manifest.InvoiceID, result, r.plan.Lines)
	}
	result.Detail = r.detail(result.Detail)
	r.lease.keepUpdatedAt = false
	return r.startSettling(ctx, result, finalInvoiceID)
}

// note is the detail of a head that was released: who looks at it finds what a person
// vouched for, and what was before.
func (r *releaser) detail(before string) string {
	note := "released at " + r.Now().UTC().Format(time.RFC3339)
	if r.order.NotCharged != "" {
		note += ", asserted as not charged: " + r.order.NotCharged
	}
	if before != "" {
		note += "; " + before
	}
	return billing.CutBytes(note, maxDetail)
}

// fates are the letters of what was decided.
func (r *releaser) dispositions() billing.Dispositions {
	record := r.record()
	switch {
	case record.State == billing.Releasing, record.State == billing.Rejected && record.Resume == billing.Claiming:
		return billing.RepeatDisposition(billing.NotCharged, len(r.plan.Lines))
	default:
		return cmp.Or(record.Dispositions, billing.RepeatDisposition(billing.Charged, len(r.plan.Lines)))
	}
}

// carryOut does with the events what the head says. Whoever takes over goes on with it.
func (r *releaser) apply(ctx context.Context) error {
	switch r.record().State {
	case billing.Releasing:
		return r.release(ctx)
	case billing.Settling:
		return r.bill(ctx)
	default: // the decision took the only page with it
		return nil
	}
}

// letGo gives the head up, so that whoever comes next need not wait for the lease.
func (r *releaser) releaseRecord(ctx context.Context) {
	// An error changes nothing: the lease runs out by itself.
	_ = r.lease.commit(ctx, func(step *billing.Step) { step.Record.Owner, step.Record.LeaseUntil = "", 0 })
}
