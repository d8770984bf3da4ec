package settlement

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// eventMargin is how many bytes of names and structure an event takes in a page.
const eventMargin = 128

// claim claims the unbilled events of the invoice's subscriptions, page by page, and plans
// what they are charged with.
func (h *session) claim(ctx context.Context) error {
	if h.record().Epoch == "" {
		if err := h.makeManifest(ctx); err != nil {
			return err
		}
	}
	fold := billing.NewAggregator(h.manifest)
	for number := range h.record().Pages {
		page, err := h.page(ctx, number)
		if err != nil {
			return err
		}
		fold.Add(page.Events...)
	}

	draft := &pageDraft{}
	for event, err := range h.unbilled(ctx, h.manifest) {
		if err != nil {
			return err
		}
		if !draft.fits(event) {
			if err := h.claimPage(ctx, draft.take(), fold); err != nil {
				return err
			}
		}
		draft.add(event)
	}
	return h.claimRestAndPlan(ctx, draft.take(), fold)
}

// unbilled yields the events that are to be claimed for an invoice, as the index shows them.
func (s *Settler) unbilled(ctx context.Context, manifest billing.Manifest) iter.Seq2[billing.Event, error] {
	return func(yield func(billing.Event, error) bool) {
		for _, subscription := range manifest.Subscriptions {
			for event, err := range s.Events.Unbilled(ctx, subscription, manifest.Date) {
				if err != nil {
					err = fmt.Errorf("look for unbilled events of %s: %w", subscription, err)
				}
				if !yield(event.Validated(), err) || err != nil {
					return
				}
			}
		}
	}
}

// claimPage claims the events as the next page, as far as they are still unbilled and
// as read.
func (h *session) claimPage(ctx context.Context, events []billing.Event, fold *billing.Aggregator) error {
	for len(events) > 0 {
		page := billing.Page{Number: h.record().Pages, Events: events}
		err := h.commitClaim(ctx, func(step *billing.Step) { applyClaim(step, &page) })
		var changed *billing.EventsChanged
		switch {
		case errors.As(err, &changed):
			events = withoutChanged(events, changed)
		case err != nil:
			return err
		default:
			fold.Add(events...) //mutant:fold-claimed
			h.recordClaim(page)
			return nil
		}
	}
	return nil
}

// commitClaim writes a step of claiming. The first one of an epoch writes its manifest, too.
func (h *session) commitClaim(ctx context.Context, change func(*billing.Step)) error {
	return h.lease.commit(ctx, func(step *billing.Step) {
		if step.Record.Epoch == "" {
			manifest := h.manifest
			step.Manifest, step.Record.Epoch = &manifest, manifest.Epoch
			step.Record.MissingSince = 0
		}
		change(step)
	})
}

// claiming puts a new page into a step.
func applyClaim(step *billing.Step, page *billing.Page) {
	step.Claim = page
	step.Record.Pages++
	step.Record.Attempts = 0
}

// claimed takes note of a page that was written.
func (h *session) recordClaim(page billing.Page) {
	h.lastPage = page
	h.report.Events += len(page.Events)
}

// without returns the events that did not change.
func withoutChanged(events []billing.Event, changed *billing.EventsChanged) []billing.Event {
	return slices.DeleteFunc(events, func(event billing.Event) bool {
		return slices.ContainsFunc(changed.Events, func(found billing.ChangedEvent) bool { return found.EventKey == event.EventKey })
	})
}

// errSeparately says that the last events and the plan do not go into one step.
var errDoesNotFit = errors.New("settlement: claim first, then plan")

// draw claims the last events and writes the plan, at once if it can. That ends
// claiming: later events wait for the next invoice.
func (h *session) claimRestAndPlan(ctx context.Context, last []billing.Event, fold *billing.Aggregator) error {
	err := h.claimAndPlan(ctx, last, fold)
	var changed *billing.EventsChanged
	switch {
	case err == nil:
		return nil
	case errors.As(err, &changed):
		last = withoutChanged(last, changed) //mutant:drop-changed
	case !errors.Is(err, errDoesNotFit):
		return err
	}
	if err := h.claimPage(ctx, last, fold); err != nil {
		return err
	}
	lines, err := fold.Plan(h.Settings.MaxAmount, h.Settings.Catalog)
	if err != nil {
		return err
	}
	plan := billing.Plan{Lines: lines}
	if err := h.commitClaim(ctx, func(step *billing.Step) { applyPlan(step, &plan) }); err != nil {
		return err
	}
	h.recordPlan(plan)
	return nil
}

// drawAtOnce claims the last events and writes the plan in one step. It leaves plans
// that are refused alone: an event may refuse one only once it is claimed.
func (h *session) claimAndPlan(ctx context.Context, last []billing.Event, fold *billing.Aggregator) error {
	whole := fold.Clone()
	whole.Add(last...)
	lines, err := whole.Plan(h.Settings.MaxAmount, h.Settings.Catalog)
	if err != nil {
		return errDoesNotFit
	}
	plan, page := billing.Plan{Lines: lines}, billing.Page{Number: h.record().Pages, Events: last}
	if len(last) == 0 || !(billing.Step{Manifest: &h.manifest, Claim: &page, Plan: &plan}).Fits() {
		return errDoesNotFit
	}
	err = h.commitClaim(ctx, func(step *billing.Step) {
		applyClaim(step, &page)
		applyPlan(step, &plan)
	})
	if err != nil {
		return err
	}
	h.recordClaim(page)
	h.recordPlan(plan)
	return nil
}

// planning puts the plan into a step.
func applyPlan(step *billing.Step, plan *billing.Plan) {
	step.Plan = plan
	step.Record.State = billing.Charging
	step.Record.Attempts = 0
}

// plans takes note of the plan.
func (h *session) recordPlan(plan billing.Plan) {
	h.plan, h.planned = plan, true
	h.report.Lines = len(plan.Lines)
}

func (h *session) page(ctx context.Context, number int) (billing.Page, error) {
	if number == h.lastPage.Number && len(h.lastPage.Events) > 0 {
		return h.lastPage, nil
	}
	return h.readPage(ctx, h.record(), number)
}

func (s *Settler) readPage(ctx context.Context, record billing.Record, number int) (billing.Page, error) {
	page, err := s.Claims.Page(ctx, record.InvoiceID, record.Epoch, number)
	if err != nil {
		return page, fmt.Errorf("read page %d of %s: %w", number, record.InvoiceID, err)
	}
	return page, nil
}

// loadPlan reads the plan, once per handling.
func (h *session) loadPlan(ctx context.Context) error {
	if h.planned {
		return nil
	}
	record := h.record()
	plan, err := h.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return fmt.Errorf("read the plan of %s: %w", record.InvoiceID, err)
	}
	h.recordPlan(plan)
	return nil
}

// pageDraft collects events until they fill a page.
type pageDraft struct {
	events []billing.Event
	keys   map[billing.EventKey]bool
	page   int // bytes of the page
	stored int // bytes of the events
}

func (d *pageDraft) fits(event billing.Event) bool {
	return len(d.events) < billing.MaxPageEvents &&
		d.page+pageSize(event) <= billing.MaxPageSize &&
		d.stored+event.Size <= billing.MaxEventsSize
}

// add takes an event in. One that the index shows twice counts once.
func (d *pageDraft) add(event billing.Event) {
	if d.keys[event.EventKey] {
		return
	}
	if d.keys == nil {
		d.keys = make(map[billing.EventKey]bool, billing.MaxPageEvents)
		d.events = make([]billing.Event, 0, billing.MaxPageEvents)
	}
	d.keys[event.EventKey] = true
	d.events = append(d.events, event)
	d.page += pageSize(event)
	d.stored += event.Size
}

// take returns the collected events and begins a new page.
func (d *pageDraft) take() []billing.Event {
	events := d.events
	*d = pageDraft{}
	return events
}

// pageSize is how many bytes of a page an event takes, at most.
func pageSize(event billing.Event) int {
	size := eventMargin + len(event.Amount) + len(event.Quantity)
	for _, text := range []string{
		event.SubscriptionID, event.EventID, event.ChargeCode, billing.Cut(event.Description, billing.MaxDescription), event.CurrencyCode, event.Fault,
	} {
		size += billing.EncodedSize(text)
	}
	return size
}
