package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// bill carries the verdict out, page by page: events of charged lines become billed, those of
// lines that were never charged and of credits are released, the rest is held.
func (h *session) bill(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	record := h.record()
	pass := &pageWalk{session: h, disposition: h.dispositionOf(record.Dispositions), end: h.applyEnd}
	return pass.run(ctx, record.ProcessedPages)
}

// release gives the events of all pages back.
func (h *session) release(ctx context.Context) error {
	// There is a plan if it was refused, and none if the events were.
	if err := h.loadPlan(ctx); err != nil && !errors.Is(err, billing.ErrNotFound) {
		return err
	}
	pass := &pageWalk{
		session:     h,
		disposition: func(billing.Event) billing.Disposition { return billing.NotCharged },
		end: func(step *billing.Step) {
			applyRejection(step, billing.Claiming)
			h.applyExpiry(step)
		},
	}
	return pass.run(ctx, h.record().ProcessedPages)
}

// letterOf is the letter of an event by a verdict on the lines. Without one, every line is
// charged, but for credits: their events are carried forward.
func (h *session) dispositionOf(verdict billing.Dispositions) func(billing.Event) billing.Disposition {
	letters := make(map[billing.LineKey]billing.Disposition, len(h.plan.Lines))
	for i, line := range h.plan.Lines {
		switch {
		case verdict != "":
			letters[line.Key()] = verdict.Of(i)
		case line.IsCredit(): //mutant:credit-line
			letters[line.Key()] = billing.NotCharged
		default:
			letters[line.Key()] = billing.Charged
		}
	}
	return func(event billing.Event) billing.Disposition { return letters[event.Line()] }
}

// ended puts the end of settling into a step.
func (h *session) applyEnd(step *billing.Step) {
	if step.Record.Reason == "" {
		step.Record.State = billing.Finished
		step.Record.Owner, step.Record.LeaseUntil = "", 0
		h.report.CarriedForward = h.plan.CarriedForward()
		h.applyExpiry(step)
		step.Record.ExpiresAt = step.Expire.At
		return
	}
	applyRejection(step, billing.Settling)
	if step.Record.ClaimsReleased() {
		h.applyExpiry(step) // the next message begins a new epoch
	}
}

// expire gives all that belongs to the epoch its time to live. No event is held
// when it is called.
func (h *session) applyExpiry(step *billing.Step) {
	step.Expire = billing.Expiry{At: step.Record.UpdatedAt + int64(retention.Seconds()), Manifest: true}
	for number := range step.Record.Pages {
		step.Expire.Pages = append(step.Expire.Pages, number)
	}
	if h.planned {
		step.Expire.PlanParts = len(h.plan.Parts())
	}
}

// pass goes once over the pages of an epoch and does with each event what its letter
// says.
type pageWalk struct {
	*session

	begin       func(*billing.Step) // put into the first step; may be nil
	disposition func(billing.Event) billing.Disposition
	end         func(*billing.Step) // put into the step of the last page if it fits, or else into one of its own
}

// over goes over the pages from the given one on.
func (p *pageWalk) run(ctx context.Context, first int) error {
	for number := first; number < p.record().Pages; number++ {
		page, err := p.page(ctx, number)
		if err != nil {
			return err
		}
		var step billing.Step
		for _, event := range page.Events {
			switch letter := p.disposition(event); {
			case event.Fault != "": // it was never claimed
			case letter == billing.Charged:
				step.Bill = append(step.Bill, event.EventKey)
			case letter == billing.NotCharged:
				step.Release = append(step.Release, event.EventKey)
			}
		}
		if err := p.settlePage(ctx, step); err != nil {
			return err
		}
		p.begin = nil
	}
	if p.record().Owner == "" {
		return nil // the last page took the end with it
	}
	return p.writeEnd(ctx)
}

// commit writes a step that begins the pass if it is the first.
func (p *pageWalk) commit(ctx context.Context, change func(*billing.Step)) error {
	return p.lease.commit(ctx, func(step *billing.Step) {
		if p.begin != nil {
			p.begin(step)
		}
		change(step)
	})
}

// settlePage settles the events of one page.
func (p *pageWalk) settlePage(ctx context.Context, events billing.Step) error {
	for {
		err := p.commit(ctx, func(step *billing.Step) {
			step.Bill, step.Release = events.Bill, events.Release
			step.Record.ProcessedPages++
			step.Record.Attempts = 0
			if step.Record.ProcessedPages < step.Record.Pages {
				return
			}
			whole := *step
			if p.end(&whole); whole.Fits() {
				*step = whole
			}
		})
		var changed *billing.EventsChanged
		if !errors.As(err, &changed) {
			return err
		}
		for _, found := range changed.Events {
			p.leaveUnchanged(&events, found)
		}
	}
}

// writeEnd writes the end by itself; what of the epoch does not fit its step gets its
// time to live before it.
func (p *pageWalk) writeEnd(ctx context.Context) error {
	expired := 0 // pages, from the first on
	for {
		more := false
		err := p.commit(ctx, func(step *billing.Step) {
			whole := *step
			p.end(&whole)
			whole.Expire.Pages = whole.Expire.Pages[min(expired, len(whole.Expire.Pages)):]
			if whole.Fits() {
				*step = whole
				return
			}
			more = true
			pages := whole.Expire.Pages
			step.Expire = billing.Expiry{At: whole.Expire.At, Pages: pages[:min(len(pages), billing.MaxExpiring)]}
			expired += len(step.Expire.Pages)
		})
		if err != nil || !more {
			return err
		}
	}
}

// leave takes an event out of the step that is not as the ledger says. It is left
// as found. One that the step would not change is none to alarm about: a pass over
// the pages may have been made before.
func (h *session) leaveUnchanged(events *billing.Step, found billing.ChangedEvent) {
	is := func(key billing.EventKey) bool { return key == found.EventKey }
	billed := found.Status == billing.EventBilled && found.InvoiceID == h.invoice.ID
	givenBack := slices.Contains(events.Release, found.EventKey) && found.Status != ""
	if !billed && !givenBack {
		h.Observer.Mismatched(h.invoice.ID, found)
	}
	events.Bill = slices.DeleteFunc(events.Bill, is)
	events.Release = slices.DeleteFunc(events.Release, is)
}
