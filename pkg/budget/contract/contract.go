// Package contract is what every budget.Store has to keep. It is linked into tests only.
package contract

import (
	"maps"
	"reflect"
	"testing"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/pace"
)

// Run runs the contract; every check gets an empty store, which is read before it is
// written, as every member does.
func Run(t *testing.T, open func(*testing.T) budget.Store) {
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			s := &store{t, open(t)}
			s.read()
			check(s)
		})
	}
}

var (
	plenty = pace.Sums{Cost: 100_000, Slots: 50}
	small  = pace.Entry{Beat: "one", Want: 5, Calls: 2}
	large  = pace.Entry{Beat: "two", Want: 5, Calls: 2, Rate: 900, Slots: 3, Cost: 60_000}
)

var checks = map[string]func(*store){
	"an empty budget": func(s *store) {
		s.want(pace.Budget{Entries: map[string]pace.Entry{}, Limit: pace.FullLimit})
	},
	"an entry is added once": func(s *store) {
		s.change(true, pace.Change{Name: "a", New: &small})
		s.change(false, pace.Change{Name: "a", New: &large, Limit: pace.FullLimit, Most: plenty})
		s.wantEntries(map[string]pace.Entry{"a": small})
	},
	"an entry is changed by whoever read it": func(s *store) {
		s.change(true, pace.Change{Name: "a", New: &small})
		s.change(false, pace.Change{Name: "b", Old: &small, New: &large, Limit: pace.FullLimit, Most: plenty})
		s.change(true, pace.Change{Name: "a", Old: &small, New: &large, Limit: pace.FullLimit, Most: plenty})
		s.change(false, pace.Change{Name: "a", Old: &small, New: &small})
		s.wantEntries(map[string]pace.Entry{"a": large})
	},
	"the sums follow": func(s *store) {
		s.change(true, pace.Change{Name: "a", New: &large, Limit: pace.FullLimit, Most: plenty})
		s.change(true, pace.Change{Name: "b", New: &small})
		less := large
		less.Beat, less.Cost, less.Slots = "three", 2_000, 1
		s.change(true, pace.Change{Name: "a", Old: &large, New: &less})
		s.wantSums(pace.Sums{Cost: 2_000, Slots: 1})
		s.change(true, pace.Change{Name: "a", Old: &less})
		s.wantSums(pace.Sums{})
		s.wantEntries(map[string]pace.Entry{"b": small})
	},
	"no more is taken than is free": func(s *store) {
		s.change(true, pace.Change{Name: "a", New: &large, Limit: pace.FullLimit, Most: plenty})
		s.change(false, pace.Change{Name: "b", New: &large, Limit: pace.FullLimit, Most: plenty})
		rest := pace.Entry{Beat: "rest", Cost: 40_000, Slots: 47}
		s.change(true, pace.Change{Name: "b", New: &rest, Limit: pace.FullLimit, Most: plenty})
		s.wantSums(plenty)
		slot := pace.Entry{Beat: "slot", Slots: 1}
		s.change(false, pace.Change{Name: "c", New: &slot, Limit: pace.FullLimit, Most: plenty})
		less := rest
		less.Beat, less.Cost = "less", 10
		s.change(true, pace.Change{Name: "b", Old: &rest, New: &less}) // less is always possible
	},
	"nothing more is taken once the limit moved": func(s *store) {
		s.change(true, pace.Change{Name: "a", New: &small})
		s.do(s.Store.SetLimit(s.t.Context(), pace.FullLimit, 600))
		s.change(false, pace.Change{Name: "a", Old: &small, New: &large, Limit: pace.FullLimit, Most: plenty})
		s.change(true, pace.Change{Name: "a", Old: &small, New: &large, Limit: 600, Most: plenty})
		s.change(true, pace.Change{Name: "a", Old: &large, New: &small, Limit: pace.FullLimit})
	},
	"the limit is set by whoever read it": func(s *store) {
		s.do(s.Store.SetLimit(s.t.Context(), 980, 1000))
		s.do(s.Store.SetLimit(s.t.Context(), pace.FullLimit, 900))
		s.do(s.Store.SetLimit(s.t.Context(), pace.FullLimit, 920))
		s.want(pace.Budget{Entries: map[string]pace.Entry{}, Limit: 900})
	},
	"one pause stands at a time": func(s *store) {
		pause := pace.Pause{ID: "p1", Seconds: 12, Reason: "429"}
		s.do(s.Store.Throttle(s.t.Context(), pause, 900, 540)) // the limit is another
		s.do(s.Store.Throttle(s.t.Context(), pause, pace.FullLimit, 600))
		s.do(s.Store.Throttle(s.t.Context(), pace.Pause{ID: "p2", Seconds: 99, Reason: "429"}, 600, 360))
		s.want(pace.Budget{Entries: map[string]pace.Entry{}, Limit: 600, Pause: &pause})
		s.do(s.Store.EndPause(s.t.Context(), "p2"))
		s.want(pace.Budget{Entries: map[string]pace.Entry{}, Limit: 600, Pause: &pause})
		s.do(s.Store.EndPause(s.t.Context(), "p1"))
		s.want(pace.Budget{Entries: map[string]pace.Entry{}, Limit: 600})
	},
}

type store struct {
	t     *testing.T
	Store budget.Store
}

func (s *store) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// change makes a change; what it returns must be what a read returns then.
func (s *store) change(want bool, change pace.Change) {
	s.t.Helper()
	found, applied, err := s.Store.Change(s.t.Context(), change)
	s.do(err)
	if applied != want {
		s.t.Fatalf("%+v applied: %t", change, applied)
	}
	s.want(found)
}

func (s *store) read() pace.Budget {
	s.t.Helper()
	found, err := s.Store.Budget(s.t.Context())
	s.do(err)
	return found
}

func (s *store) want(want pace.Budget) {
	s.t.Helper()
	if found := s.read(); !reflect.DeepEqual(found, want) {
		s.t.Fatalf("the budget is\n%+v, want\n%+v", found, want)
	}
}

func (s *store) wantEntries(want map[string]pace.Entry) {
	s.t.Helper()
	if found := s.read(); !maps.Equal(found.Entries, want) {
		s.t.Fatalf("the entries are\n%+v, want\n%+v", found.Entries, want)
	}
}

func (s *store) wantSums(want pace.Sums) {
	s.t.Helper()
	if found := s.read(); found.Used != want.Cost || found.Slots != want.Slots {
		s.t.Fatalf("%d and %d slots are taken, want %+v", found.Used, found.Slots, want)
	}
}
