package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// bill carries the verdict out, page by page: events of lines that stand become
// billed, those of lines that were never charged are given back, the rest is held.
func (h *handling) bill(ctx context.Context) error {
	if err := h.loadPlan(ctx); err != nil {
		return err
	}
	letters := h.letters()
	return h.pages(ctx, func(event billing.Event) byte { return letters[event.Line()] }, h.ended)
}

// release gives the events of all pages back.
func (h *handling) release(ctx context.Context) error {
	// There is a plan if it was refused, and none if the events were.
	if err := h.loadPlan(ctx); err != nil && !errors.Is(err, billing.ErrNotFound) {
		return err
	}
	return h.pages(ctx, func(billing.Event) byte { return billing.Released }, func(step *billing.Step) {
		rejected(step, billing.Claiming)
		h.expire(step)
	})
}

// letters is the verdict by line. Without one, every line stands.
func (h *handling) letters() map[billing.LineKey]byte {
	verdict := h.head().Verdict
	letters := make(map[billing.LineKey]byte, len(h.plan.Lines))
	for i, line := range h.plan.Lines {
		letters[line.Key()] = billing.Stands
		if verdict != "" {
			letters[line.Key()] = verdict[i]
		}
	}
	return letters
}

// ended puts the end of settling into a step.
func (h *handling) ended(step *billing.Step) {
	if step.Head.Reason == "" {
		step.Head.State = billing.Finished
		step.Head.Owner, step.Head.LeaseUntil = "", 0
		h.expire(step)
		step.Head.ExpiresAt = step.Expire.At
		return
	}
	rejected(step, billing.Settling)
	if released(step.Head.Verdict) {
		h.expire(step) // the next message begins a new epoch
	}
}

// expire gives all that belongs to the epoch its time to live. No event is held
// when it is called.
func (h *handling) expire(step *billing.Step) {
	step.Expire = billing.Expiry{At: step.Head.UpdatedAt + int64(retention.Seconds()), Manifest: true}
	for number := range step.Head.Pages {
		step.Expire.Pages = append(step.Expire.Pages, number)
	}
	if h.planned {
		step.Expire.PlanParts = len(h.plan.Parts())
	}
}

// pages goes over the pages that are not settled yet and does with each event what
// its letter says; the step of the last one takes the end with it, if it fits.
func (h *handling) pages(ctx context.Context, letter func(billing.Event) byte, end func(*billing.Step)) error {
	for number := h.head().Settled; number < h.head().Pages; number++ {
		page, err := h.page(ctx, number)
		if err != nil {
			return err
		}
		var step billing.Step
		for _, event := range page.Events {
			switch letter(event) {
			case billing.Stands:
				step.Bill = append(step.Bill, event.EventKey)
			case billing.Released:
				step.Release = append(step.Release, event.EventKey)
			}
		}
		if err := h.settlePage(ctx, step, end); err != nil {
			return err
		}
	}
	if h.head().Owner == "" {
		return nil // the last page took the end with it
	}
	return h.endPages(ctx, end)
}

// settlePage settles the events of one page.
func (h *handling) settlePage(ctx context.Context, events billing.Step, end func(*billing.Step)) error {
	for {
		err := h.lease.commit(ctx, func(step *billing.Step) {
			step.Bill, step.Release = events.Bill, events.Release
			step.Head.Settled++
			step.Head.Attempts = 0
			if step.Head.Settled < step.Head.Pages {
				return
			}
			whole := *step
			if end(&whole); whole.Fits() {
				*step = whole
			}
		})
		var changed *billing.EventsChanged
		if !errors.As(err, &changed) {
			return err
		}
		for _, found := range changed.Events {
			h.leave(&events, found)
		}
	}
}

// leave takes an event out of the step that is not as the ledger says. It is left
// as found. One that the step would not change is none to alarm about: a pass over
// the pages may have been made before.
func (h *handling) leave(events *billing.Step, found billing.ChangedEvent) {
	is := func(key billing.EventKey) bool { return key == found.EventKey }
	billed := found.Status == billing.EventBilled && found.InvoiceID == h.invoice.ID
	givenBack := slices.Contains(events.Release, found.EventKey) && found.Status != ""
	if !billed && !givenBack {
		h.Observer.Mismatched(h.invoice.ID, found)
	}
	events.Bill = slices.DeleteFunc(events.Bill, is)
	events.Release = slices.DeleteFunc(events.Release, is)
}

// endPages writes the end by itself; what of the epoch does not fit its step gets
// its time to live before it.
func (h *handling) endPages(ctx context.Context, end func(*billing.Step)) error {
	expired := 0 // pages, from the first on
	for {
		more := false
		err := h.lease.commit(ctx, func(step *billing.Step) {
			whole := *step
			end(&whole)
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
