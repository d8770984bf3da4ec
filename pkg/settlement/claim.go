package settlement

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// claim claims the unbilled events of the invoice's subscriptions, page by page, and writes the plan. It starts
// with the sums of the pages that earlier sessions claimed.
func (s *session) claim(ctx context.Context) error {
	if s.record().Epoch == "" {
		if err := s.makeManifest(ctx); err != nil {
			return err
		}
	}
	sums := billing.NewAggregator(s.manifest)
	for number := range s.record().Pages {
		page, err := s.page(ctx, number)
		if err != nil {
			return err
		}
		sums.Add(page.Events...)
		s.claimed.add(page.Events)
	}

	next := &pageBuilder{}
	var billed []billing.Rewritten // billed events that their producer wrote again; restore marks them as billed
	onBilled := func(event billing.Rewritten) { billed = append(billed, event) }
	for event, err := range s.unbilled(ctx, s.manifest, onBilled) {
		if err == nil && len(billed) >= billing.MaxPageEvents {
			err, billed = s.restore(ctx, billed), nil
		}
		if err != nil {
			return err
		}
		if s.claimed.has(event.EventKey) { //mutant:claimed-twice
			continue // the index is stale, or the event's producer rewrote it after the claim
		}
		if !next.fits(event) {
			if err := s.claimPage(ctx, next.take(), sums); err != nil {
				return err
			}
		}
		next.add(event)
	}
	if err := s.restore(ctx, billed); err != nil {
		return err
	}
	return s.claimRestAndPlan(ctx, next.take(), sums)
}

// restore marks rewritten events as billed again, on the invoice that billed them, and reports them.
func (s *session) restore(ctx context.Context, rewritten []billing.Rewritten) error {
	for chunk := range slices.Chunk(rewritten, billing.MaxPageEvents) {
		if err := s.restoreInOneStep(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// restoreInOneStep restores at most billing.MaxPageEvents events. It leaves out events that are not unbilled
// anymore: the index of unbilled events was stale.
func (s *session) restoreInOneStep(ctx context.Context, rewritten []billing.Rewritten) error {
	for len(rewritten) > 0 {
		err := s.lease.commit(ctx, func(step *billing.Step) { step.Restore = rewritten })
		if changed, ok := errors.AsType[*billing.EventsChanged](err); ok {
			rewritten = slices.DeleteFunc(rewritten, func(event billing.Rewritten) bool { return changed.Contains(event.EventKey) })
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	for _, event := range rewritten {
		s.Observer.Mismatched(event.InvoiceID, event.Claimed, billing.ChangedEvent{EventKey: event.EventKey, Status: billing.EventUnbilled, Current: event.Event})
	}
	return nil
}

// unbilled returns the events to claim for an invoice, as the index of unbilled events shows them. The index may
// also have rewritten events, which another invoice claimed or billed. unbilled leaves them out, and calls onBilled
// for those that were billed.
func (s *Settler) unbilled(ctx context.Context, manifest billing.Manifest, onBilled func(billing.Rewritten)) iter.Seq2[billing.Event, error] {
	return func(yield func(billing.Event, error) bool) {
		for _, subscription := range manifest.Subscriptions {
			var others *otherInvoices
			for event, err := range s.Events.Unbilled(ctx, subscription, manifest.Date) {
				if err != nil {
					yield(event, fmt.Errorf("query unbilled events of %s: %w", subscription, err))
					return
				}
				if others == nil { // a subscription without events needs no others
					if others, err = s.newOtherInvoices(ctx, subscription, manifest.InvoiceID); err != nil {
						yield(event, err)
						return
					}
				}
				rewritten, found, err := others.find(ctx, event)
				switch {
				case err != nil:
					yield(event, err)
					return
				case found && rewritten.Settled:
					onBilled(rewritten)
				case found: // the other invoice is not settled: its session decides about the event
				case !yield(event.Validated(), nil):
					return
				}
			}
		}
	}
}

// claimPage claims the events as the next page. An event may have changed since the index was read: then it is
// claimed with its current values (withCurrent). An event that changes once more is left to the next invoice.
func (s *session) claimPage(ctx context.Context, events []billing.Event, sums *billing.Aggregator) error {
	for refresh := true; len(events) > 0; refresh = false {
		page := billing.Page{Number: s.record().Pages, Events: events}
		err := s.commitClaim(ctx, func(step *billing.Step) { applyClaim(step, &page) })
		var changed *billing.EventsChanged
		switch {
		case errors.As(err, &changed) && refresh:
			events = s.withCurrent(events, changed)
		case errors.As(err, &changed):
			events = withoutChanged(events, changed)
		case err != nil:
			return err
		default:
			sums.Add(events...) //mutant:fold-claimed
			s.claimed.add(events)
			s.recordClaim(page)
			return nil
		}
	}
	return nil
}

// commitClaim writes a step of claiming. The first step of an epoch also writes its id and manifest.
func (s *session) commitClaim(ctx context.Context, change func(*billing.Step)) error {
	return s.lease.commit(ctx, func(step *billing.Step) {
		if step.Record.Epoch == "" {
			manifest := s.manifest
			step.Manifest, step.Record.Epoch = &manifest, manifest.Epoch
			step.Record.MissingSince = 0
		}
		step.Date = s.manifest.Date
		change(step)
	})
}

// applyClaim puts a new page into a step.
func applyClaim(step *billing.Step, page *billing.Page) {
	step.Claim = page
	step.Record.Pages++
	step.Record.Attempts = 0
}

// recordClaim records a written page in the session and in the report.
func (s *session) recordClaim(page billing.Page) {
	s.lastPage = page
	s.report.Events += len(page.Events)
}

// withCurrent replaces the events that changed since the index was read by their current versions. It leaves
// out events that are no longer unbilled, cannot be billed on this invoice, or no longer fit the page.
func (s *session) withCurrent(events []billing.Event, changed *billing.EventsChanged) []billing.Event {
	current := map[billing.EventKey]billing.Event{}
	for _, found := range changed.Events {
		event := found.Current.Validated()
		if found.Status == billing.EventUnbilled && event.Fault == "" && event.OccurredAt < s.manifest.Date {
			current[found.EventKey] = event
		}
	}
	next := &pageBuilder{}
	for _, event := range events {
		if changed.Contains(event.EventKey) {
			var billable bool
			if event, billable = current[event.EventKey]; !billable {
				continue
			}
		}
		if next.fits(event) {
			next.add(event)
		}
	}
	return next.take()
}

// withoutChanged returns the events that did not change.
func withoutChanged(events []billing.Event, changed *billing.EventsChanged) []billing.Event {
	return slices.DeleteFunc(events, func(event billing.Event) bool { return changed.Contains(event.EventKey) })
}

// errNotInOneStep means that tryOneStep wrote nothing.
var errNotInOneStep = errors.New("settlement: the last page and the plan are not written in one step")

// claimRestAndPlan claims the last events and writes the plan, in one step if possible. The plan ends claiming:
// events that appear later are for the next invoice.
func (s *session) claimRestAndPlan(ctx context.Context, last []billing.Event, sums *billing.Aggregator) error {
	err := s.tryOneStep(ctx, last, sums)
	var changed *billing.EventsChanged
	switch {
	case err == nil:
		return nil
	case errors.As(err, &changed):
		last = s.withCurrent(last, changed) //mutant:drop-changed
	case !errors.Is(err, errNotInOneStep):
		return err
	}
	if err := s.claimPage(ctx, last, sums); err != nil {
		return err
	}
	lines, err := sums.Plan(s.Settings.MaxAmount, s.Settings.Catalog)
	if err != nil {
		return err
	}
	plan := billing.Plan{Lines: lines}
	if err := s.commitClaim(ctx, func(step *billing.Step) { applyPlan(step, &plan) }); err != nil {
		return err
	}
	s.recordPlan(plan)
	return nil
}

// tryOneStep claims the last events and writes the plan in one step. It returns errNotInOneStep if there are no
// events, if the step would be too large, or if the plan would be rejected. Whether it is rejected is decided
// again once the events are claimed, because the values in the index may be stale.
func (s *session) tryOneStep(ctx context.Context, last []billing.Event, sums *billing.Aggregator) error {
	all := sums.Clone()
	all.Add(last...)
	lines, err := all.Plan(s.Settings.MaxAmount, s.Settings.Catalog)
	if err != nil {
		return errNotInOneStep
	}
	plan, page := billing.Plan{Lines: lines}, billing.Page{Number: s.record().Pages, Events: last}
	if len(last) == 0 || !(billing.Step{Manifest: &s.manifest, Claim: &page, Plan: &plan}).Fits() {
		return errNotInOneStep
	}
	err = s.commitClaim(ctx, func(step *billing.Step) {
		applyClaim(step, &page)
		applyPlan(step, &plan)
	})
	if err != nil {
		return err
	}
	s.recordClaim(page)
	s.recordPlan(plan)
	return nil
}

// applyPlan puts the plan into a step.
func applyPlan(step *billing.Step, plan *billing.Plan) {
	step.Plan = plan
	step.Record.State = billing.Charging
	step.Record.Attempts = 0
}

// recordPlan puts a plan into the session and the report.
func (s *session) recordPlan(plan billing.Plan) {
	s.plan, s.planned = plan, true
	s.report.Lines = len(plan.Lines)
}

// page returns a page of the epoch. It reads the page, unless this session claimed it last.
func (s *session) page(ctx context.Context, number int) (billing.Page, error) {
	if number == s.lastPage.Number && len(s.lastPage.Events) > 0 {
		return s.lastPage, nil
	}
	return s.readPage(ctx, s.record(), number)
}

// readPage reads a page of the record's epoch.
func (s *Settler) readPage(ctx context.Context, record billing.Record, number int) (billing.Page, error) {
	page, err := s.Claims.Page(ctx, record.InvoiceID, record.Epoch, number)
	if err != nil {
		return page, fmt.Errorf("read page %d of %s: %w", number, record.InvoiceID, err)
	}
	return page, nil
}

// loadPlan reads the plan, once per session.
func (s *session) loadPlan(ctx context.Context) error {
	if s.planned {
		return nil
	}
	record := s.record()
	plan, err := s.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return fmt.Errorf("read the plan of %s: %w", record.InvoiceID, err)
	}
	s.recordPlan(plan)
	return nil
}
