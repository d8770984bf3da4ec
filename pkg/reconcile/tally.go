package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/nullable"
)

// Finding is a result of a sweep about a number of items. Absent values are null.
type Finding struct {
	finding.Finding

	Count         int                 `json:"count"`
	Oldest        *time.Time          `json:"oldest"`
	Newest        *time.Time          `json:"newest"`
	Examples      []string            `json:"examples"`      // up to ten ids
	Subscriptions []SubscriptionCount `json:"subscriptions"` // the ten with the highest counts
	Amounts       map[string]int64    `json:"amounts"`       // charges in minor units, by currency; null if unknown
}

// SubscriptionCount is the part of a count that belongs to a subscription.
type SubscriptionCount struct {
	SubscriptionID string `json:"subscription_id"`
	Count          int    `json:"count"`
}

const (
	maxExamples      = 10
	maxSubscriptions = 10 // in a finding
	// maxCounted limits the number of keys, and so the memory, of a tally and of lineSums.
	maxCounted = 100_000
)

// tally counts items. It stores only a few ids, and the counts of up to maxCounted subscriptions.
type tally struct {
	count          int
	oldest, newest time.Time
	examples       []string
	bySubscription map[string]int
	amounts        map[string]int64 // charges in minor units, by currency; nil if unknown
}

// add counts an item. subscriptionID may be empty, and at may be zero: unknown.
func (t *tally) add(id, subscriptionID string, at time.Time) {
	if !at.IsZero() && (t.oldest.IsZero() || at.Before(t.oldest)) {
		t.oldest = at
	}
	if !at.IsZero() && (t.newest.IsZero() || at.After(t.newest)) {
		t.newest = at
	}
	t.count++
	if len(t.examples) < maxExamples {
		t.examples = append(t.examples, id)
	}
	if t.bySubscription == nil {
		t.bySubscription = map[string]int{}
	}
	if _, known := t.bySubscription[subscriptionID]; subscriptionID != "" && (known || len(t.bySubscription) < maxCounted) {
		t.bySubscription[subscriptionID]++
	}
}

// largest returns the subscriptions with the highest counts.
func (t *tally) largest() []SubscriptionCount {
	counts := make([]SubscriptionCount, 0, len(t.bySubscription))
	for id, count := range t.bySubscription {
		counts = append(counts, SubscriptionCount{id, count})
	}
	slices.SortFunc(counts, func(a, b SubscriptionCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.SubscriptionID, b.SubscriptionID))
	})
	return slices.Clone(counts[:min(len(counts), maxSubscriptions)])
}

// addTally adds a finding with the counts of the tally, unless nothing was counted.
func (s *sweep) addTally(counted tally, found finding.Finding) {
	if counted.count == 0 {
		return
	}
	slices.Sort(counted.examples)
	s.result.Findings = append(s.result.Findings, Finding{
		Finding: found, Count: counted.count, Oldest: timeOrNil(counted.oldest), Newest: timeOrNil(counted.newest),
		Examples: counted.examples, Subscriptions: counted.largest(), Amounts: counted.amounts,
	})
}

// timeOrNil returns nil if the time is unknown or JSON cannot represent it.
func timeOrNil(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return nullable.Time(at)
}
