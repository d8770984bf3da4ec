package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/finding"
)

// Finding is a problem that a sweep found. Absent values are null.
type Finding struct {
	finding.Finding

	Count         int                 `json:"count"`
	Oldest        *time.Time          `json:"oldest"`
	Newest        *time.Time          `json:"newest"`
	Examples      []string            `json:"examples"`      // the first ten ids
	Subscriptions []SubscriptionCount `json:"subscriptions"` // the ten with the most
	Amounts       map[string]int64    `json:"amounts"`       // charges in minor units, by currency; null if unknown
}

// SubscriptionCount is the part of a count that belongs to a subscription.
type SubscriptionCount struct {
	SubscriptionID string `json:"subscription_id"`
	Count          int    `json:"count"`
}

const (
	maxExamples = 10
	maxParts    = 10
	// maxCounted limits the memory of a count. Further subscriptions are in the sum only.
	maxCounted = 100_000
)

// tally counts items without storing them.
type tally struct {
	count          int
	oldest, newest time.Time
	examples       []string
	parts          map[string]int   // by subscription
	amounts        map[string]int64 // charges in minor units, by currency; nil if unknown
}

func (t *tally) add(id, subscriptionID string, at time.Time) {
	if t.count == 0 || at.Before(t.oldest) {
		t.oldest = at
	}
	if t.count == 0 || at.After(t.newest) {
		t.newest = at
	}
	t.count++
	if len(t.examples) < maxExamples {
		t.examples = append(t.examples, id)
	}
	if t.parts == nil {
		t.parts = map[string]int{}
	}
	if _, known := t.parts[subscriptionID]; subscriptionID != "" && (known || len(t.parts) < maxCounted) {
		t.parts[subscriptionID]++
	}
}

// largest returns the subscriptions with the highest counts.
func (t *tally) largest() []SubscriptionCount {
	parts := make([]SubscriptionCount, 0, len(t.parts))
	for id, count := range t.parts {
		parts = append(parts, SubscriptionCount{id, count})
	}
	slices.SortFunc(parts, func(a, b SubscriptionCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.SubscriptionID, b.SubscriptionID))
	})
	return slices.Clone(parts[:min(len(parts), maxParts)])
}

// addTally adds a finding with its count, unless that is zero.
func (s *sweep) addTally(counted tally, found finding.Finding) {
	if counted.count == 0 {
		return
	}
	slices.Sort(counted.examples)
	s.result.Findings = append(s.result.Findings, Finding{
		Finding: found, Count: counted.count, Oldest: &counted.oldest, Newest: &counted.newest,
		Examples: counted.examples, Subscriptions: counted.largest(), Amounts: counted.amounts,
	})
}
