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
	Head  billing.Head         // as it is now; in a dry run as it was found
	Held  bool                 // events were held; otherwise there was nothing to do
	Lines []billing.Line       // of the plan; none if it was refused
	Fates billing.Dispositions // what becomes of the events of each line
}

// Release gives the events of a rejected invoice back, or marks those as billed that stand
// on the invoice that its draft became. It goes on with a release that was interrupted.
// Release writes nothing to Chargebee.
//
// Whatever stands in its way is an error that says what to do instead, a *Refusal if it is
// what was found at Chargebee or in the ledger; the head is then as it was found, but for its fence, and gone_at when the draft was first seen to be gone.
func (s *Settler) Release(ctx context.Context, order Order) (Release, error) {
	found, ok, err := s.Ledger.Head(ctx, order.InvoiceID)
	if err != nil {
		return Release{}, fmt.Errorf("read the head of %s: %w", order.InvoiceID, err)
	}
	if !ok {
		return Release{}, fmt.Errorf("%w: %s", ErrUnknown, order.InvoiceID)
	}
	way, err := decideRelease(found, s.Now(), s.Settings)
	if err != nil || way == nothingHeld {
		return Release{Head: found}, err
	}

	ledger := s.Ledger
	if order.DryRun {
		ledger = unwritten{ledger}
	}
	r := &releaser{
		handling: &handling{Settler: s, lease: newLease(ledger, s.Now, s.Settings.Lease), report: &Report{}, added: found.Cursor},
		order:    order,
		found:    found,
	}
	r.invoice.ID = found.InvoiceID
	r.notCharged = order.NotCharged != "" //mutant:asserted
	r.lease.head, r.lease.silent = found, way == look

	release, err := r.run(ctx, way)
	if errors.Is(err, billing.ErrFenced) {
		return release, fmt.Errorf("somebody else works on %s now: look at it with invoice show, then run this again", found.InvoiceID)
	}
	if err != nil {
		r.letGo(ctx)
	}
	return release, err
}

// unwritten is a ledger that takes every write and keeps none. A dry run that is made on
// it decides as the real one does.
type unwritten struct{ Ledger }

func (unwritten) Commit(context.Context, billing.Step) error { return nil }

// releaser is the work on one order under one lease.
type releaser struct {
	*handling

	order Order
	found billing.Head
}

// run takes the head, decides, and carries the decision out. The fence comes first: what
// is read after it no sleeper of the past can make wrong.
func (r *releaser) run(ctx context.Context, way way) (Release, error) {
	err := r.lease.commit(ctx, func(step *billing.Step) {
		hold(&step.Head)
		step.Head.Doubt = step.Head.Doubt || step.Head.Sending()
	})
	if err == nil {
		err = r.loadManifest(ctx)
	}
	if err == nil {
		err = r.knowPlan(ctx)
	}
	if err != nil {
		return Release{}, err
	}
	started := r.Now()
	switch {
	case way == look:
		err = r.decide(ctx, started)
	case r.head().State == billing.Rejected:
		err = r.goOn(ctx, 0)
	}
	if err != nil {
		return Release{}, err
	}
	release := Release{Held: true, Lines: r.plan.Lines, Fates: r.fates()}
	if r.order.DryRun {
		release.Head = r.found
		return release, nil
	}
	err = r.carryOut(ctx)
	release.Head = r.head()
	return release, err
}

// knowPlan reads the plan. There is none if it was the events that were refused.
func (r *releaser) knowPlan(ctx context.Context) error {
	err := r.loadPlan(ctx)
	releasing := r.head().State == billing.Releasing || r.head().Resume == billing.Releasing
	if releasing && errors.Is(err, billing.ErrNotFound) {
		return nil
	}
	return err
}

// decide writes into the head what becomes of the lines, by what stands at Chargebee. The
// draft comes first: while it is pending, it alone tells.
func (r *releaser) decide(ctx context.Context, started time.Time) error {
	if r.head().Verdict != "" {
		return r.bySuccessor(ctx, started)
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
		return r.byDraft(ctx, draft)
	}
	if r.head().GoneAt == 0 {
		if err := r.lease.commit(ctx, func(step *billing.Step) { step.Head.GoneAt = r.Now().Unix() }); err != nil {
			return err
		}
	}
	return r.bySuccessor(ctx, started)
}

// byDraft gives everything back if none of our lines stands on the pending draft.
func (r *releaser) byDraft(ctx context.Context, draft billing.Invoice) error {
	if err := decideDraft(draft, r.plan.Lines, r.head(), r.manifest.Originals, r.notCharged); err != nil {
		return err
	}
	r.lease.silent = false
	return r.lease.commit(ctx, func(step *billing.Step) {
		step.Head.State, step.Head.Resume = billing.Releasing, ""
		step.Head.SendingSince, step.Head.Doubt, step.Head.GoneAt = 0, false, 0
		step.Head.Settled, step.Head.Attempts = 0, 0
		step.Head.Detail = r.note(r.found.Detail)
	})
}

// bySuccessor judges the lines of a draft that is gone, as a message would, and with what a
// person vouches for.
func (r *releaser) bySuccessor(ctx context.Context, started time.Time) error {
	var judgement billing.ReconcileResult
	var finalInvoiceID string
	err := untilAnswered(func() (err error) {
		judgement, finalInvoiceID, err = r.weigh(ctx, started)
		return err
	})
	if later, ok := errors.AsType[*deferral](err); ok && r.order.DryRun && r.found.GoneAt == 0 && r.found.Verdict == "" {
		return fmt.Errorf("%w; only with --yes it is written down that the draft is gone, and the time runs", later)
	}
	if err != nil {
		return err
	}
	if judgement.Dispositions.Has(billing.ChargeUnknown) {
		return held(r.manifest.InvoiceID, judgement, r.plan.Lines)
	}
	judgement.Detail = r.note(judgement.Detail)
	r.lease.silent = false
	return r.finish(ctx, judgement, finalInvoiceID)
}

// note is the detail of a head that was released: who looks at it finds what a person
// vouched for, and what was before.
func (r *releaser) note(before string) string {
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
func (r *releaser) fates() billing.Dispositions {
	head := r.head()
	switch {
	case head.State == billing.Releasing, head.State == billing.Rejected && head.Resume == billing.Claiming:
		return billing.RepeatDisposition(billing.NotCharged, len(r.plan.Lines))
	default:
		return cmp.Or(head.Verdict, billing.RepeatDisposition(billing.Charged, len(r.plan.Lines)))
	}
}

// carryOut does with the events what the head says. Whoever takes over goes on with it.
func (r *releaser) carryOut(ctx context.Context) error {
	switch r.head().State {
	case billing.Releasing:
		return r.release(ctx)
	case billing.Settling:
		return r.bill(ctx)
	default: // the decision took the only page with it
		return nil
	}
}

// letGo gives the head up, so that whoever comes next need not wait for the lease.
func (r *releaser) letGo(ctx context.Context) {
	// An error changes nothing: the lease runs out by itself.
	_ = r.lease.commit(ctx, func(step *billing.Step) { step.Head.Owner, step.Head.LeaseUntil = "", 0 })
}
