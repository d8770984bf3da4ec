package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// startSettling writes what became of the lines, and starts to settle their events. If all events
// are on one page, the same step settles them.
func (s *session) startSettling(ctx context.Context, result billing.ReconcileResult, finalInvoiceID string) error {
	start := func(step *billing.Step) {
		s.applyProgress(step)
		step.Record.State, step.Record.Resume = billing.Settling, ""
		step.Record.Dispositions = result.Dispositions
		step.Record.Outcome = result.Outcome
		step.Record.Reason = result.Reason
		step.Record.Detail = result.Detail
		if finalInvoiceID != "" { // otherwise an earlier result may have it
			step.Final = finalInvoiceID != step.Record.FinalInvoiceID
			step.Record.FinalInvoiceID = finalInvoiceID
		}
		step.Record.ProcessedPages = 0
		step.Record.Attempts = 0
	}
	if s.record().Pages > 1 {
		return s.lease.commit(ctx, start)
	}
	return s.settlePages(ctx, 0, lineDispositions(s.plan, result.Dispositions), start)
}

// bill settles the remaining pages of an invoice whose lines are decided.
func (s *session) bill(ctx context.Context) error {
	if err := s.loadPlan(ctx); err != nil {
		return err
	}
	record := s.record()
	return s.settlePages(ctx, record.ProcessedPages, lineDispositions(s.plan, record.Dispositions), nil)
}

// release releases the events of the remaining pages.
func (s *session) release(ctx context.Context) error {
	// There is a plan if the plan was refused, and none if the events were.
	if err := s.loadPlan(ctx); err != nil && !errors.Is(err, billing.ErrNotFound) {
		return err
	}
	return s.settlePages(ctx, s.record().ProcessedPages, nil, nil)
}

// lineDispositions returns the disposition of each line. Before the draft was closed or went missing
// none is decided: all lines are charged then, but for credits, whose events are carried forward.
func lineDispositions(plan billing.Plan, decided billing.Dispositions) map[billing.LineKey]billing.Disposition {
	dispositions := make(map[billing.LineKey]billing.Disposition, len(plan.Lines))
	for i, line := range plan.Lines {
		switch {
		case decided != "":
			dispositions[line.Key()] = decided.Of(i)
		case line.IsCredit(): //mutant:credit-line
			dispositions[line.Key()] = billing.NotCharged
		default:
			dispositions[line.Key()] = billing.Charged
		}
	}
	return dispositions
}

// billed returns what the lines with these dispositions bill.
func (s *session) billed(decided billing.Dispositions) Billed {
	billed := Billed{CurrencyCode: s.manifest.CurrencyCode}
	dispositions := lineDispositions(s.plan, decided)
	for _, line := range s.plan.Lines {
		if dispositions[line.Key()] != billing.Charged {
			continue
		}
		billed.Events += line.Events
		if line.IsCharge() {
			billed.Lines++
			billed.Amount += line.Amount
		}
	}
	return billed
}

// pageChanges are the changes of the events of a page. Those of neither list stay claimed.
type pageChanges struct {
	bill        []billing.Event
	billChanged []billing.EventKey // their values changed after they were claimed
	release     []billing.EventKey
}

// changesOf returns what becomes of the events of a page. Without dispositions all are released.
func changesOf(page billing.Page, dispositions map[billing.LineKey]billing.Disposition) pageChanges {
	var changes pageChanges
	for _, event := range page.Events {
		disposition := dispositions[event.Line()]
		switch {
		case event.Fault != "": // it was never claimed
		case disposition == billing.Charged:
			changes.bill = append(changes.bill, event)
		case disposition == billing.NotCharged, dispositions == nil:
			changes.release = append(changes.release, event.EventKey)
		}
	}
	return changes
}

// settlePages settles the events of the pages from the given one on, one step each. start, which may
// be nil, changes the first step. The step of the last page also ends the work on the invoice, or
// else a step of its own does.
func (s *session) settlePages(ctx context.Context, first int, dispositions map[billing.LineKey]billing.Disposition, start func(*billing.Step)) error {
	for number := first; number < s.record().Pages; number++ {
		page, err := s.page(ctx, number)
		if err != nil {
			return err
		}
		if err := s.settlePage(ctx, changesOf(page, dispositions), start); err != nil {
			return err
		}
		start = nil
	}
	if s.record().Owner == "" { // the last page ended the work
		return nil
	}
	return s.writeEnd(ctx, start)
}

// settlePage settles the events of the next page. Events that a producer changed in the meantime are
// handled by resolveChanged.
func (s *session) settlePage(ctx context.Context, changes pageChanges, start func(*billing.Step)) error {
	for mayReclaim := true; ; mayReclaim = false {
		err := s.lease.commit(ctx, func(step *billing.Step) {
			if start != nil {
				start(step)
			}
			step.Bill, step.BillChanged, step.Release = changes.bill, changes.billChanged, changes.release
			step.Record.ProcessedPages++
			step.Record.Attempts = 0
			if step.Record.ProcessedPages < step.Record.Pages {
				return
			}
			withEnd := *step
			if s.applyEnd(&withEnd); withEnd.Fits() {
				*step = withEnd
			}
		})
		changed, ok := errors.AsType[*billing.EventsChanged](err)
		if !ok {
			return err
		}
		reclaim := s.resolveChanged(&changes, changed, mayReclaim)
		if len(reclaim) == 0 {
			continue
		}
		err = s.lease.commit(ctx, func(step *billing.Step) { step.Reclaim = reclaim })
		if _, changedAgain := errors.AsType[*billing.EventsChanged](err); err != nil && !changedAgain {
			return err
		}
	}
}

// resolveChanged decides about events that are not as the changes require:
//
//   - one to be billed that is unbilled with the claimed values was written again by its producer: it
//     is returned, to be claimed again;
//   - one to be billed that is claimed with other values is billed as claimed, and reported;
//   - any other is left unchanged, and reported unless it is already as the step would make it: an
//     earlier session may have settled its page.
func (s *session) resolveChanged(changes *pageChanges, changed *billing.EventsChanged, mayReclaim bool) (reclaim []billing.Event) {
	for _, found := range changed.Events {
		claimed, isBilling := changes.claimed(found.EventKey)
		if isBilling && mayReclaim && found.IsUnbilledAs(claimed) {
			reclaim = append(reclaim, found.Current)
			continue
		}
		releasing := slices.Contains(changes.release, found.EventKey)
		changes.remove(found.EventKey)
		switch {
		case isBilling && found.Status == billing.EventClaimed && found.InvoiceID == s.invoice.ID:
			changes.billChanged = append(changes.billChanged, found.EventKey)
		case found.Status == billing.EventBilled && found.InvoiceID == s.invoice.ID, releasing && found.Status != "":
			continue
		}
		s.Observer.Mismatched(s.invoice.ID, claimed, found)
	}
	return reclaim
}

// claimed returns the event with the values that are billed, and whether it is to be billed with them.
func (c *pageChanges) claimed(key billing.EventKey) (event billing.Event, ok bool) {
	at := slices.IndexFunc(c.bill, func(event billing.Event) bool { return event.EventKey == key })
	if at < 0 {
		return billing.Event{EventKey: key}, false
	}
	return c.bill[at], true
}

// remove leaves an event as it is.
func (c *pageChanges) remove(key billing.EventKey) {
	is := func(other billing.EventKey) bool { return other == key }
	c.bill = slices.DeleteFunc(c.bill, func(event billing.Event) bool { return event.EventKey == key })
	c.billChanged, c.release = slices.DeleteFunc(c.billChanged, is), slices.DeleteFunc(c.release, is)
}

// writeEnd ends the work in a step of its own. If the expiry of the epoch's items does not fit that
// step, steps before it set the expiry of some pages.
func (s *session) writeEnd(ctx context.Context, start func(*billing.Step)) error {
	for expired := 0; ; {
		more := false
		err := s.lease.commit(ctx, func(step *billing.Step) {
			if start != nil {
				start(step)
			}
			withEnd := *step
			s.applyEnd(&withEnd)
			pages := withEnd.Expire.Pages[min(expired, len(withEnd.Expire.Pages)):]
			withEnd.Expire.Pages = pages
			if withEnd.Fits() {
				*step = withEnd
				return
			}
			more = true
			step.Expire = billing.Expiry{At: withEnd.Expire.At, Pages: pages[:min(len(pages), billing.MaxExpiring)]}
			expired += len(step.Expire.Pages)
		})
		if err != nil || !more {
			return err
		}
		start = nil
	}
}

// applyEnd puts the end of settling or releasing into a step.
func (s *session) applyEnd(step *billing.Step) {
	switch {
	case step.Record.State == billing.Releasing && step.Record.Outcome == billing.Released:
		step.Record.State, step.Record.Reason = billing.Finished, ""
		endLease(&step.Record)
		s.applyExpiry(step)
		step.Record.ExpiresAt = step.Expire.At
	case step.Record.State == billing.Releasing:
		applyRejection(step, billing.Claiming)
		s.applyExpiry(step)
	case step.Record.Reason == "":
		step.Record.State = billing.Finished
		endLease(&step.Record)
		s.report.CarriedForward = s.plan.CarriedForward()
		s.report.Billed = s.billed(step.Record.Dispositions)
		s.applyExpiry(step)
		if outcome := step.Record.Outcome; outcome == billing.Closed || outcome == billing.Gone {
			step.Record.ExpiresAt = step.Expire.At // otherwise the draft is pending, and must not be charged again
		}
	default:
		applyRejection(step, billing.Settling)
		if step.Record.ClaimsReleased() {
			s.applyExpiry(step) // the next message begins a new epoch
		}
	}
}

// applyExpiry sets the TTL of everything that belongs to the epoch. No event is claimed anymore.
func (s *session) applyExpiry(step *billing.Step) {
	step.Expire = billing.Expiry{At: step.Record.UpdatedAt + int64(retention.Seconds()), Manifest: true}
	for number := range step.Record.Pages {
		step.Expire.Pages = append(step.Expire.Pages, number)
	}
	if s.planned {
		step.Expire.PlanParts = len(s.plan.Parts())
	}
}
