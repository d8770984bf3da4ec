package settlement

import (
	"context"
	"errors"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// startSettling records the result and starts to settle the events. If the epoch has at most one page, the
// same step settles its events. finalInvoiceID may be empty.
func (s *session) startSettling(ctx context.Context, result billing.ReconcileResult, finalInvoiceID string) error {
	start := func(step *billing.Step) {
		s.applyProgress(step)
		step.Record.State, step.Record.Resume = billing.Settling, ""
		step.Record.Dispositions = result.Dispositions
		step.Record.Outcome = result.Outcome
		step.Record.Reason = result.Reason
		step.Record.Detail = result.Detail
		if finalInvoiceID != "" { // otherwise the record keeps an id that was found earlier
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

// bill settles the events of the remaining pages by the dispositions in the record.
func (s *session) bill(ctx context.Context) error {
	if err := s.loadPlan(ctx); err != nil {
		return err
	}
	record := s.record()
	return s.settlePages(ctx, record.ProcessedPages, lineDispositions(s.plan, record.Dispositions), nil)
}

// release releases the events of the remaining pages.
func (s *session) release(ctx context.Context) error {
	// The plan is needed to set its TTL. An invoice that was rejected while claiming has none.
	if err := s.loadPlan(ctx); err != nil && !errors.Is(err, billing.ErrNotFound) {
		return err
	}
	return s.settlePages(ctx, s.record().ProcessedPages, nil, nil)
}

// allDispositions returns decided, or if that is empty the dispositions of a draft that was closed or left open
// with all its charges: each line is charged except credits, whose events are carried forward.
func allDispositions(plan billing.Plan, decided billing.Dispositions) billing.Dispositions {
	if decided != "" {
		return decided
	}
	dispositions := make([]byte, len(plan.Lines))
	for i, line := range plan.Lines {
		dispositions[i] = byte(billing.Charged)
		if line.IsCredit() { //mutant:credit-line
			dispositions[i] = byte(billing.NotCharged)
		}
	}
	return billing.Dispositions(dispositions)
}

// lineDispositions returns allDispositions by line.
func lineDispositions(plan billing.Plan, decided billing.Dispositions) map[billing.LineKey]billing.Disposition {
	all := allDispositions(plan, decided)
	dispositions := make(map[billing.LineKey]billing.Disposition, len(plan.Lines))
	for i, line := range plan.Lines {
		dispositions[line.Key()] = all.Of(i)
	}
	return dispositions
}

// billed returns the sums of the lines whose disposition is Charged.
func (s *session) billed(decided billing.Dispositions) Billed {
	billed := Billed{CurrencyCode: s.manifest.CurrencyCode}
	dispositions := allDispositions(s.plan, decided)
	for i, line := range s.plan.Lines {
		if dispositions.Of(i) != billing.Charged {
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

// pageChanges are the changes of the events of a page. Events in none of the lists stay as they are.
type pageChanges struct {
	bill        []billing.Event
	billChanged []billing.EventKey // to be billed although their values changed after they were claimed
	release     []billing.EventKey
}

// changesOf returns the changes of the events of a page. If dispositions is nil, all are released.
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

// settlePages bills or releases the events of the pages from first on, in one step per page. applyStart, if it
// is not nil, is applied to the first step. The end (applyEnd) is part of the last page's step if it fits,
// or else follows in a step of its own.
func (s *session) settlePages(ctx context.Context, first int, dispositions map[billing.LineKey]billing.Disposition, applyStart func(*billing.Step)) error {
	for number := first; number < s.record().Pages; number++ {
		page, err := s.page(ctx, number)
		if err != nil {
			return err
		}
		if err := s.settlePage(ctx, changesOf(page, dispositions), applyStart); err != nil {
			return err
		}
		applyStart = nil
	}
	if s.record().Owner == "" { // the step of the last page ended the lease
		return nil
	}
	return s.writeEnd(ctx, applyStart)
}

// settlePage bills or releases the events of one page. If some are not as they were claimed, it commits
// again with what resolveChanged decided about them.
func (s *session) settlePage(ctx context.Context, changes pageChanges, applyStart func(*billing.Step)) error {
	for mayReclaim := true; ; mayReclaim = false {
		err := s.lease.commit(ctx, func(step *billing.Step) {
			if applyStart != nil {
				applyStart(step)
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
		// If one of these events changed again, nothing is written, and the next pass decides.
		err = s.lease.commit(ctx, func(step *billing.Step) { step.Reclaim = reclaim })
		if _, changedAgain := errors.AsType[*billing.EventsChanged](err); err != nil && !changedAgain {
			return err
		}
	}
}

// resolveChanged decides about events that the step found in another state than it requires:
//
//	the step  found the event                             decision
//	bills     unbilled, with the claimed values           its producer rewrote it: the caller claims it again (reclaim);
//	                                                      without mayReclaim it is left as it is, and reported
//	bills     claimed for the invoice, with other values  billed as it was claimed, and reported
//	either    billed on the invoice                       left as it is: an earlier session settled it
//	releases  not claimed for the invoice                 left as it is
//	either    in another state, or not at all             left as it is, and reported
func (s *session) resolveChanged(changes *pageChanges, changed *billing.EventsChanged, mayReclaim bool) (reclaim []billing.Event) {
	for _, found := range changed.Events {
		claimed, isBilling := changes.eventToBill(found.EventKey)
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

// eventToBill returns the event of c.bill with the key. If there is none, ok is false and the event has only
// its key.
func (c *pageChanges) eventToBill(key billing.EventKey) (event billing.Event, ok bool) {
	at := slices.IndexFunc(c.bill, func(event billing.Event) bool { return event.EventKey == key })
	if at < 0 {
		return billing.Event{EventKey: key}, false
	}
	return c.bill[at], true
}

// remove removes an event from the changes.
func (c *pageChanges) remove(key billing.EventKey) {
	isKey := func(other billing.EventKey) bool { return other == key }
	c.bill = slices.DeleteFunc(c.bill, func(event billing.Event) bool { return event.EventKey == key })
	c.billChanged = slices.DeleteFunc(c.billChanged, isKey)
	c.release = slices.DeleteFunc(c.release, isKey)
}

// writeEnd applies the end in a step of its own. If the TTLs of all pages do not fit that step, writeEnd sets
// some of them in steps before it. commit calls its function once: that decides what the step contains.
func (s *session) writeEnd(ctx context.Context, applyStart func(*billing.Step)) error {
	withTTL := 0 // number of pages whose TTL is set
	for more := true; more; applyStart = nil {
		more = false
		err := s.lease.commit(ctx, func(step *billing.Step) {
			if applyStart != nil {
				applyStart(step)
			}
			withEnd := *step
			s.applyEnd(&withEnd)
			pages := withEnd.Expire.Pages[withTTL:]
			withEnd.Expire.Pages = pages
			if withEnd.Fits() {
				*step = withEnd
				return
			}
			more = true
			step.Expire = billing.Expiry{At: withEnd.Expire.At, Pages: pages[:min(len(pages), billing.MaxExpiring)]}
			withTTL += len(step.Expire.Pages)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// applyEnd puts the end of settling or releasing into a step: the invoice is finished or rejected.
func (s *session) applyEnd(step *billing.Step) {
	switch {
	case step.Record.State == billing.Releasing && step.Record.Outcome == billing.Released: // by an operator
		step.Record.State, step.Record.Reason = billing.Finished, ""
		endLease(&step.Record)
		s.applyExpiry(step)
		step.Record.ExpiresAt = step.Expire.At
	case step.Record.State == billing.Releasing: // no line is on the draft
		applyRejection(step, billing.Claiming)
		s.applyExpiry(step)
	case step.Record.Reason == "":
		step.Record.State = billing.Finished
		endLease(&step.Record)
		s.report.CarriedForward = s.plan.CarriedForward()
		s.report.Billed = s.billed(step.Record.Dispositions)
		s.applyExpiry(step)
		// With other outcomes the draft is still pending: its record prevents that it is charged again.
		if outcome := step.Record.Outcome; outcome == billing.Closed || outcome == billing.Gone {
			step.Record.ExpiresAt = step.Expire.At
		}
	default: // the reconciliation left something to an operator
		applyRejection(step, billing.Settling)
		if step.Record.ClaimsReleased() {
			s.applyExpiry(step) // the next message begins a new epoch: the items of this one are not needed
		}
	}
}

// applyExpiry sets the TTL of all items of the epoch. It is called once none of its events is claimed anymore.
func (s *session) applyExpiry(step *billing.Step) {
	step.Expire = billing.Expiry{At: step.Record.UpdatedAt + int64(retention.Seconds()), Manifest: true}
	for number := range step.Record.Pages {
		step.Expire.Pages = append(step.Expire.Pages, number)
	}
	if s.planned {
		step.Expire.PlanParts = len(s.plan.Parts())
	}
}
