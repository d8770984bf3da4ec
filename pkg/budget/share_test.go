package budget

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/pace"
)

// TestFill divides totals among wants, fair by max-min.
func TestFill(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		total       int64
		wants, want []int64
	}{
		{100, nil, nil},
		{100, []int64{everything}, []int64{100}},
		{100, []int64{everything, everything}, []int64{50, 50}},
		{100, []int64{10, everything, everything}, []int64{10, 45, 45}},
		{100, []int64{everything, 10, 20}, []int64{70, 10, 20}},
		{100, []int64{0, everything}, []int64{0, 100}},
		{100, []int64{30, 30, 30}, []int64{30, 30, 30}},
		{1, []int64{5, 5}, []int64{0, 1}},
		{0, []int64{5, 5}, []int64{0, 0}},
	} {
		if got := fill(row.total, row.wants); !slices.Equal(got, row.want) {
			t.Errorf("fill(%d, %v) = %v, want %v", row.total, row.wants, got, row.want)
		}
	}
}

// TestFillIsFair: nothing is given that is not there or not wanted, nothing is left while
// somebody wants it, and nobody gets more than another but who wants less.
func TestFillIsFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(0, 1_000_000).Draw(t, "total")
		wants := rapid.SliceOfN(rapid.Int64Range(0, 300_000), 1, 60).Draw(t, "wants")
		var sum, wanted int64
		parts := fill(total, wants)
		for i, part := range parts {
			sum += part
			wanted += wants[i]
			if part < 0 || part > wants[i] {
				t.Fatalf("%d of %d", part, wants[i])
			}
			for _, other := range parts {
				if part < wants[i] && other > part+1 {
					t.Fatalf("one gets %d and wants %d, another gets %d", part, wants[i], other)
				}
			}
		}
		if sum != min(total, wanted) {
			t.Fatalf("%d is given of %d, wanted are %d", sum, total, wanted)
		}
	})
}

// TestCost is what a rate takes of the budget, and back.
func TestCost(t *testing.T) {
	t.Parallel()
	limits := Limits{RequestsPerMinute: 150, MaxConcurrent: 50, Jitter: time.Second}
	if got := limits.cost(0); got != 2_000 {
		t.Errorf("an entry without a rate costs %d", got)
	}
	if got := limits.cost(1_000); got != 63_500 { // 60 s and the permit's life and the jitter, and the bucket
		t.Errorf("a call a second costs %d", got)
	}
	if got := limits.rateFor(limits.capacity(pace.FullLimit)); got != 2_406 { // 144 a minute of 150
		t.Errorf("one alone may call %d", got)
	}
}

// TestRateFor never buys more than its cost.
func TestRateFor(t *testing.T) {
	t.Parallel()
	limits := Limits{RequestsPerMinute: 150, MaxConcurrent: 50, Jitter: time.Second}
	rapid.Check(t, func(t *rapid.T) {
		cost := rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "cost")
		if rate := limits.rateFor(cost); rate > 0 && limits.cost(rate) > cost {
			t.Fatalf("%d buys %d, which costs %d", cost, rate, limits.cost(rate))
		}
	})
}

// TestMembers says who may have a share: one for each 30 calls a minute.
func TestMembers(t *testing.T) {
	t.Parallel()
	limits := Limits{RequestsPerMinute: 90, MaxConcurrent: 50, Jitter: time.Second}
	ready, costs := pace.Entry{Want: pace.ReadyWant}, pace.Entry{Want: everything, Cost: bucketCost}
	for name, row := range map[string]struct {
		limit   int64
		entries map[string]pace.Entry
		want    []string
	}{
		"nobody":                          {1000, nil, nil},
		"by name":                         {1000, map[string]pace.Entry{"pod-d": ready, "pod-b": ready, "pod-c": ready, "pod-a": ready}, []string{"pod-a", "pod-b", "pod-c"}},
		"who costs something goes before": {1000, map[string]pace.Entry{"pod-d": costs, "pod-b": ready, "pod-c": ready, "pod-a": ready}, []string{"pod-d", "pod-a", "pod-b"}},
		"commands go first":               {1000, map[string]pace.Entry{"command-z": ready, "pod-b": costs, "pod-a": costs}, []string{"command-z", "pod-a", "pod-b"}},
		"not who left or wants nothing":   {1000, map[string]pace.Entry{"pod-a": {Left: true, Want: 5}, "pod-b": {}, "pod-c": ready}, []string{"pod-c"}},
		"fewer while the limit is low":    {400, map[string]pace.Entry{"pod-a": ready, "pod-b": ready}, []string{"pod-a"}},
		"one at least":                    {100, map[string]pace.Entry{"pod-a": ready, "pod-b": ready}, []string{"pod-a"}},
	} {
		if got := limits.members(pace.Budget{Entries: row.entries, Limit: row.limit}); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// TestShareOf says what each of a few fleets may do, at 600 calls a minute.
func TestShareOf(t *testing.T) {
	t.Parallel()
	limits := Limits{RequestsPerMinute: 600, MaxConcurrent: 12, Jitter: time.Second}
	busy := func(calls int64) pace.Entry { return pace.Entry{Want: everything, Calls: calls, Cost: bucketCost} }
	ready := pace.Entry{Want: pace.ReadyWant}
	for name, row := range map[string]struct {
		entries map[string]pace.Entry
		want    share
	}{
		"alone":                          {map[string]pace.Entry{"me": busy(9)}, share{true, 9_723, 9}},
		"with one that is ready":         {map[string]pace.Entry{"me": busy(9), "other": ready}, share{true, 9_723, 9}},
		"with one that has called":       {map[string]pace.Entry{"me": busy(9), "other": {Want: pace.ReadyWant, Cost: bucketCost}}, share{true, 9_691, 9}},
		"with one that has left":         {map[string]pace.Entry{"me": busy(9), "other": {Left: true, Cost: bucketCost, Slots: 5}}, share{true, 9_691, 7}},
		"with another":                   {map[string]pace.Entry{"me": busy(9), "other": busy(9)}, share{true, 4_845, 6}},
		"with another that wants little": {map[string]pace.Entry{"me": busy(9), "other": {Want: 1_000, Calls: 1, Cost: bucketCost}}, share{true, 8_691, 9}},
		"ready":                          {map[string]pace.Entry{"me": ready, "other": busy(9)}, share{true, 0, 1}},
		"not there":                      {map[string]pace.Entry{"other": busy(9)}, share{}},
	} {
		if got := limits.shareOf("me", pace.Budget{Entries: row.entries, Limit: pace.FullLimit}); got != row.want {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
	}
}
