package simulation_test

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// indexDelay is the time, in seconds, after which the index of unbilled events has what was written.
const indexDelay = 10

// group identifies the events that one line of an invoice charges.
type group struct{ draft, subscription, code string }

func compareGroups(a, b group) int {
	return cmp.Or(cmp.Compare(a.draft, b.draft), cmp.Compare(a.subscription, b.subscription), cmp.Compare(a.code, b.code))
}

// groupState has the lines and the events of a group.
type groupState struct {
	invoice chargebee.Invoice
	lines   []chargebee.LineItem
	billed  []string // events, by id
	held    []string
}

// checkSums compares the lines that the product added with the events that they charge.
//
// A group has one line with the sum of its events that are billed, or that a rejected invoice holds.
// Without a line, only events with the sum 0 are billed. As amounts are random, the sums show an
// event that is charged twice, on another invoice than its own or although it is unbilled, and a
// credit that is billed.
func (v *verifier) checkSums() {
	groups := map[group]*groupState{}
	stateOf := func(key group) *groupState {
		if groups[key] == nil {
			groups[key] = &groupState{invoice: v.invoices[key.draft]}
		}
		return groups[key]
	}
	for _, id := range slices.Sorted(maps.Keys(v.events)) {
		event := v.events[id]
		switch state := stateOf(group{event.InvoiceID, event.SubscriptionID, event.ChargeCode}); event.Status {
		case billing.EventBilled:
			state.billed = append(state.billed, id)
		case billing.EventClaimed:
			state.held = append(state.held, id)
		}
	}
	for draft, invoice := range v.invoices {
		for _, line := range invoice.LineItems {
			if !isCharge(line) || isWithdrawn(invoice) {
				continue
			}
			state := stateOf(group{draft, line.SubscriptionID, codeOf(line)})
			if v.recorder.wasEdited(draft) {
				// Chargebee gave the line the subscription that the invoice had by then.
				for key, other := range groups {
					if key.draft == draft && key.code == codeOf(line) && v.total(other.billed)+v.total(other.held) == line.Amount {
						state = other
					}
				}
			}
			state.lines = append(state.lines, line)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), compareGroups) {
		if key.draft != "" { // else events without an invoice
			v.checkGroup(key, *groups[key])
		}
	}
}

func (v *verifier) checkGroup(key group, state groupState) {
	for _, id := range state.billed {
		if final := v.events[id].FinalID; len(state.lines) > 0 && final != state.invoice.ID {
			v.failf("%s is billed on %q, and charged on %s", id, final, state.invoice.ID)
		}
	}
	billed, held := v.total(state.billed), v.total(state.held)
	var amounts []int64
	for _, line := range state.lines {
		amounts = append(amounts, line.Amount)
	}
	switch {
	case len(amounts) > 1:
		v.failf("%v is charged %d times: %v", key, len(amounts), amounts)
	case len(amounts) == 0 && billed != 0:
		v.failf("%v: %v are billed, their sum is %d, and no line charges them", key, state.billed, billed)
	case len(amounts) == 0:
	case len(state.billed)+len(state.held) == 0:
		v.failf("%v is charged with %v, and no event is billed or held for it", key, amounts)
	case amounts[0] != billed+held:
		v.failf("%v is charged with %v; billed are %v of %d, held %v of %d", key, amounts, state.billed, billed, state.held, held)
	}
}

// total returns the sum of events, rounded as lines are.
func (v *verifier) total(events []string) int64 {
	var total decimal.Decimal
	for _, id := range events {
		total = total.Add(v.amount(id))
	}
	return total.Round(0).IntPart()
}

func (v *verifier) amount(event string) decimal.Decimal {
	return decimal.RequireFromString(v.events[event].Amount)
}

// checkUnbilled checks that every event that was due on a closed invoice is billed, unless it is
// carried forward with a credit.
func (v *verifier) checkUnbilled(ctx context.Context) {
	lastDate := map[string]int64{}   // latest date of a closed invoice, by subscription
	invoiceCount := map[string]int{} // by subscription
	for _, invoice := range v.recorder.invoices {
		for _, subscription := range invoice.subscriptions {
			invoiceCount[subscription]++
			switch {
			case !v.isClosed(ctx, invoice.draft) || v.recorder.wasEdited(invoice.draft):
				// Released events wait for the next invoice. A draft that is planned again releases
				// them, too.
				lastDate[subscription] = math.MinInt64
			case v.recorder.removed[invoice.draft] == subscription:
				// It may have lost the only line of this subscription.
			case lastDate[subscription] != math.MinInt64:
				lastDate[subscription] = max(lastDate[subscription], invoice.date)
			}
		}
	}
	for _, edit := range v.recorder.edits { // its events may have been claimed and released, too
		lastDate[edit.subscription] = math.MinInt64
	}
	unbilled := map[group][]string{}
	for _, id := range slices.Sorted(maps.Keys(v.events)) {
		if event := v.events[id]; event.Status == billing.EventUnbilled && event.OccurredAt < lastDate[event.SubscriptionID] {
			key := group{"", event.SubscriptionID, event.ChargeCode}
			unbilled[key] = append(unbilled[key], id)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(unbilled), compareGroups) {
		// The lowest sum that the line may have had: the index had the events that were certainly
		// written, and may have had the others.
		var lowest decimal.Decimal
		certain, credits := false, false
		for _, id := range unbilled[key] {
			amount, written := v.amount(id), v.recorder.wasWrittenBefore(id, lastDate[key.subscription]-indexDelay)
			certain, credits = certain || written, credits || amount.IsNegative()
			if written || amount.IsNegative() {
				lowest = lowest.Add(amount)
			}
		}
		// With several invoices and credits, any of them may have carried the events forward, and
		// another one may have billed the negative events. So may a rewritten event.
		carriedForward := credits && invoiceCount[key.subscription] > 1 || v.scenario.credits && (v.scenario.badEvents || v.scenario.rewrites)
		if certain && !lowest.Round(0).IsNegative() && !carriedForward {
			v.failf("%v were due, and all invoices are closed without them", unbilled[key])
		}
	}
}

// checkBilledInTime checks that an event that was due on a closed invoice is not on an invoice that
// was started later. Edits, credits, rejections and releases make that possible: the invoice of a
// released event is started again.
func (v *verifier) checkBilledInTime(ctx context.Context) {
	if v.scenario.credits || v.scenario.badEvents || v.scenario.releases || v.scenario.voids || len(v.recorder.edits) > 0 || v.scenario.manualEdits > 0 || v.scenario.autoClose > 0 || v.recorder.rejected > 0 {
		return
	}
	closed := map[string]time.Time{} // arrival of the first close, by draft
	for _, call := range slices.Backward(v.site.Calls()) {
		if call.Operation == "close" {
			closed[call.InvoiceID] = call.At
		}
	}
	started := map[string]time.Time{} // earliest possible start, by draft
	for _, invoice := range v.recorder.invoices {
		if record := v.record(ctx, invoice.draft); record.Epoch != "" {
			manifest, err := v.store.Manifest(ctx, invoice.draft, record.Epoch)
			if err != nil {
				v.failf("%s: %v", invoice.draft, err)
			}
			started[invoice.draft] = time.Unix(manifest.ClaimedAt, 0).Add(-v.scenario.consumer.Clock.MaxSkew)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(v.events)) {
		event := v.events[id]
		for _, invoice := range v.recorder.invoices {
			wasDue := event.Status == billing.EventBilled && slices.Contains(invoice.subscriptions, event.SubscriptionID) &&
				v.record(ctx, invoice.draft).Outcome == billing.Closed && v.recorder.removed[invoice.draft] != event.SubscriptionID &&
				event.OccurredAt < invoice.date && v.recorder.wasWrittenBefore(id, invoice.date-indexDelay)
			if wasDue && closed[invoice.draft].Before(started[event.InvoiceID]) {
				v.failf("%s was due on %s, which was closed before %s was started", id, invoice.draft, event.InvoiceID)
			}
		}
	}
}
