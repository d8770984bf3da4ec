package budget

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

const (
	window = time.Minute // in which Chargebee counts
	depth  = 2           // permits that a bucket holds at most

	// perMember is the calls per minute from which one more process may have a share:
	// with less, what each costs by itself would be too large a part.
	perMember = 30

	bucketCost = depth * 1000
)

// Limits is what all processes together may use of a site.
type Limits struct {
	RequestsPerMinute int
	MaxConcurrent     int
	CallTimeout       time.Duration // of one call
	Jitter            time.Duration // from the wire to the arrival at Chargebee
}

// cost is what a rate takes of the budget: the calls that can arrive within one window,
// which are those permitted within window, life and jitter, and what the bucket holds.
func (l Limits) cost(rate int64) int64 {
	return ceilDiv(rate*l.span(), second) + bucketCost
}

// rateFor is the rate that a cost allows.
func (l Limits) rateFor(cost int64) int64 {
	return max(cost-bucketCost, 0) * second / l.span()
}

// span is the time, in microseconds, whose permits can arrive within one window.
func (l Limits) span() int64 {
	return ceilDiv(int64(window+l.way()), int64(time.Microsecond))
}

// way is the longest time from a permit to the arrival of its call.
func (l Limits) way() time.Duration { return pace.PermitLife + l.Jitter }

const second = int64(time.Second / time.Microsecond)

// capacity is the most that all costs may come to, thousandths of calls.
func (l Limits) capacity(limit int64) int64 { return limit * int64(l.RequestsPerMinute) }

func (l Limits) most(limit int64) pace.Sums {
	return pace.Sums{Cost: l.capacity(limit), Slots: int64(l.MaxConcurrent)}
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// share is what one process may do.
type share struct {
	member bool // it is among those that may have a rate
	rate   int64
	slots  int64
}

// shareOf is the part of the named entry in a budget: fair by max-min, so that nobody
// gets more than it wants, and nobody less than another but who wants less.
func (l Limits) shareOf(name string, budget pace.Budget) share {
	members := l.members(budget)
	me := slices.Index(members, name)
	if me < 0 {
		return share{}
	}
	free := l.capacity(budget.Limit)
	slots := int64(l.MaxConcurrent)
	rates, calls := make([]int64, len(members)), make([]int64, len(members))
	for i, member := range members {
		entry := budget.Entries[member]
		calls[i] = max(entry.Calls, 1)
		if entry.Want > pace.ReadyWant {
			rates[i] = entry.Want
		}
		if entry.Want > pace.ReadyWant || entry.Cost > 0 {
			free -= bucketCost
		}
	}
	for other, entry := range budget.Entries {
		if !slices.Contains(members, other) {
			free -= min(entry.Cost, bucketCost) // the rest of it goes when its holder sees this
			if entry.Left {
				slots -= entry.Slots
			}
		}
	}
	total := max(free, 0) * second / l.span()
	return share{
		member: true,
		rate:   fill(total, rates)[me],
		slots:  max(fill(max(slots, 0), calls)[me], 1),
	}
}

// members are the entries that may have a share: commands first, then those that cost
// something already, then by name.
func (l Limits) members(budget pace.Budget) []string {
	var wanting []string
	for name, entry := range budget.Entries {
		if !entry.Left && entry.Want > 0 {
			wanting = append(wanting, name)
		}
	}
	rank := func(name string) int {
		switch {
		case strings.HasPrefix(name, commandPrefix):
			return 0
		case budget.Entries[name].Cost > 0:
			return 1
		default:
			return 2
		}
	}
	slices.SortFunc(wanting, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	most := max(l.capacity(budget.Limit)/(perMember*1000), 1)
	most = min(most, int64(l.MaxConcurrent))
	return wanting[:min(int64(len(wanting)), most)]
}

// fill divides a total among wants, fair by max-min.
func fill(total int64, wants []int64) []int64 {
	order := make([]int, len(wants))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wants[a], wants[b]) })
	parts := make([]int64, len(wants))
	for done, i := range order {
		parts[i] = min(wants[i], total/int64(len(wants)-done))
		total -= parts[i]
	}
	return parts
}
