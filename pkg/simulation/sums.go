package simulation

import (
	"cmp"
	"context"
	"maps"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// group is what one line of an invoice charges for.
type group struct{ draft, subscription, code string }

// sums is a group as the invoice and the events have it.
type sums struct {
	invoice chargebee.Invoice
	lines   []chargebee.LineItem
	billed  []string // events, by id
	held    []string
}

// checkSums compares the lines that the product added with the events that they charge.
//
// A group has one line with the sum of its events that are billed, or that a rejected invoice
// holds. Without a line, nothing is billed but what sums up to 0. As amounts are random, the
// sums show an event that is charged twice, on another invoice than its own or although it is
// unbilled, and a credit that is billed.
func (a *account) checkSums() {
	groups := map[group]*sums{}
	of := func(key group) *sums {
		if groups[key] == nil {
			groups[key] = &sums{invoice: a.found[key.draft]}
		}
		return groups[key]
	}
	for _, id := range slices.Sorted(maps.Keys(a.events)) {
		event := a.events[id]
		switch own := of(group{event.draft, event.subscription, event.code}); event.status {
		case billing.EventBilled:
			own.billed = append(own.billed, id)
		case billing.EventClaimed:
			own.held = append(own.held, id)
		}
	}
	for draft, invoice := range a.found {
		for _, line := range invoice.LineItems {
			if !isCharge(line) || invoice.Deleted {
				continue
			}
			own := of(group{draft, line.SubscriptionID, codeOf(line)})
			if a.books.isMoved(draft) {
				// Chargebee gave the line the subscription that the invoice had by then.
				for key, other := range groups {
					if key.draft == draft && key.code == codeOf(line) && a.total(other.billed)+a.total(other.held) == line.Amount {
						own = other
					}
				}
			}
			own.lines = append(own.lines, line)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), compareGroups) {
		a.checkGroup(key, *groups[key])
	}
}

func compareGroups(a, b group) int {
	return cmp.Or(cmp.Compare(a.draft, b.draft), cmp.Compare(a.subscription, b.subscription), cmp.Compare(a.code, b.code))
}

func (a *account) checkGroup(key group, of sums) {
	billed := a.total(of.billed)
	if key.draft == "" { // events that no invoice has
		return
	}
	for _, id := range of.billed {
		if final := a.events[id].final; len(of.lines) > 0 && final != of.invoice.ID {
			a.faultf("%s is billed on %q, and charged on %s", id, final, of.invoice.ID)
		}
	}
	switch {
	case len(of.lines) > 1:
		a.faultf("%v is charged %d times: %v", key, len(of.lines), amounts(of.lines))
	case len(of.lines) == 0 && billed != 0:
		a.faultf("%v: %v are billed, their sum is %d, and no line charges them", key, of.billed, billed)
	case len(of.lines) == 0:
	case len(of.billed)+len(of.held) == 0:
		a.faultf("%v is charged with %v, and no event is billed or held for it", key, amounts(of.lines))
	case sum(of.lines) != billed+a.total(of.held):
		a.faultf("%v is charged with %v; billed are %v of %d, held %v of %d", key, amounts(of.lines), of.billed, billed, of.held, a.total(of.held))
	}
}

// total is the sum of events, rounded as lines are.
func (a *account) total(events []string) int64 {
	total := new(big.Rat)
	for _, id := range events {
		if amount, ok := new(big.Rat).SetString(a.events[id].amount); ok {
			total.Add(total, amount)
		}
	}
	return rounded(total)
}

// rounded rounds to an integer. The fractions of a sum are far from a half.
func rounded(number *big.Rat) int64 {
	half := big.NewRat(1, 2)
	if number.Sign() < 0 {
		half.Neg(half)
	}
	number = new(big.Rat).Add(number, half)
	return new(big.Int).Quo(number.Num(), number.Denom()).Int64()
}

func amounts(lines []chargebee.LineItem) (amounts []int64) {
	for _, line := range lines {
		amounts = append(amounts, line.Amount)
	}
	return amounts
}

func sum(lines []chargebee.LineItem) (sum int64) {
	for _, line := range lines {
		sum += line.Amount
	}
	return sum
}

// checkLeft: what was due on an invoice that was closed is on an invoice, unless it is carried
// forward with a credit.
func (a *account) checkLeft(ctx context.Context) {
	last := map[string]int64{} // latest date that was billed, by subscription
	opened := map[string]int{} // invoices, by subscription
	for _, invoice := range a.books.invoices {
		head := a.head(ctx, invoice.draft)
		closed := head.State == billing.Finished && head.Outcome == billing.Closed
		for _, subscription := range invoice.subscriptions {
			opened[subscription]++
			switch {
			case !closed || a.books.isMoved(invoice.draft):
				// Events that were given back wait for the next one. A draft that is planned
				// again gives them back, too.
				last[subscription] = math.MinInt64
			case a.books.removed[invoice.draft] == subscription:
				// It may have lost the only line of this one.
			case last[subscription] != math.MinInt64:
				last[subscription] = max(last[subscription], invoice.date)
			}
		}
	}
	for _, edit := range a.books.edits { // its events, too, may have been claimed and given back
		last[edit.subscription] = math.MinInt64
	}
	const shows = 10 // seconds, by which the index shows what was written
	left := map[group][]string{}
	for _, id := range slices.Sorted(maps.Keys(a.events)) {
		if event := a.events[id]; event.status == billing.EventUnbilled && event.occurredAt < last[event.subscription] {
			key := group{"", event.subscription, event.code}
			left[key] = append(left[key], id)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(left), compareGroups) {
		// The lowest sum that the line may have had, by what the plan must and may have shown.
		lowest, certain, credits := new(big.Rat), false, false
		for _, id := range left[key] {
			amount, ok := new(big.Rat).SetString(a.events[id].amount)
			if !ok {
				continue
			}
			before := a.books.settledBefore(id, last[key.subscription]-shows)
			certain, credits = certain || before, credits || amount.Sign() < 0
			if before || amount.Sign() < 0 {
				lowest.Add(lowest, amount)
			}
		}
		// With several invoices and credits, any of them may have carried the events forward,
		// and another one may have billed those that made the sum negative. An event that is
		// written once more may have been one of them.
		carried := credits && opened[key.subscription] > 1 || a.plan.credits && a.plan.badEvents
		if certain && rounded(lowest) >= 0 && !carried {
			a.faultf("%v were due, and all invoices are closed without them", left[key])
		}
	}
}

// checkOnTime: what was due on an invoice that was closed is not on one that was begun only
// after that. It is made only where nothing kept invoices from taking all that was due.
func (a *account) checkOnTime(ctx context.Context) {
	if a.plan.credits || a.plan.badEvents || len(a.books.edits) > 0 || a.plan.persons > 0 || a.plan.autoClose > 0 || a.books.rejected > 0 {
		return
	}
	closed := map[string]time.Time{} // when the first close arrived, by draft
	for _, call := range slices.Backward(a.site.Calls()) {
		if call.Operation == "close" {
			closed[call.InvoiceID] = call.At
		}
	}
	begun := map[string]time.Time{} // at the earliest, by draft
	for _, invoice := range a.books.invoices {
		if head := a.head(ctx, invoice.draft); head.Epoch != "" {
			manifest, err := a.store.Manifest(ctx, invoice.draft, head.Epoch)
			if err != nil {
				a.faultf("%s: %v", invoice.draft, err)
			}
			begun[invoice.draft] = time.Unix(manifest.ClaimedAt, 0).Add(-a.plan.consumer.Clock.MaxSkew)
		}
	}
	const shows = 10 // seconds, by which the index shows what was written
	for _, id := range slices.Sorted(maps.Keys(a.events)) {
		event := a.events[id]
		for _, invoice := range a.books.invoices {
			head := a.head(ctx, invoice.draft)
			switch {
			case event.status != billing.EventBilled, !slices.Contains(invoice.subscriptions, event.subscription),
				head.Outcome != billing.Closed, a.books.removed[invoice.draft] == event.subscription:
			case event.occurredAt < invoice.date && a.books.settledBefore(id, invoice.date-shows) && closed[invoice.draft].Before(begun[event.draft]):
				a.faultf("%s was due on %s, which was closed before %s was begun", id, invoice.draft, event.draft)
			}
		}
	}
}
