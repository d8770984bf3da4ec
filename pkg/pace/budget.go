package pace

// Entry is one process's part of the shared budget. Rates are thousandths of a call per
// second, costs thousandths of a call in any window.
type Entry struct {
	Beat string // random per write: who changes the entry names the one that it read
	Left bool   // nobody holds it anymore; its cost stands for calls that still count

	Want  int64 // the rate that its holder could use; 0: none, ReadyWant: it waits for work
	Calls int64 // the simultaneous calls that its holder could use

	Rate  int64 // the rate that its holder may use
	Slots int64 // the simultaneous calls that its holder may make
	Cost  int64 // what it takes of the budget
}

// ReadyWant is the want of a process that has nothing to call for yet, but shall be
// among those that may have a share, because it is about to take work.
const ReadyWant = 1

// Budget is the budget that all processes of a site share.
type Budget struct {
	Entries map[string]Entry
	Used    int64 // the sum of the entries' costs
	Slots   int64 // the sum of the entries' slots

	Limit int64  // of the configured calls per minute, in thousandths: less after a refusal
	Pause *Pause // Chargebee refused a call: nobody calls
	Hold  *Hold  // an operator stopped all calls
}

// Running is how many processes hold an entry.
func (b Budget) Running() (running int) {
	for _, entry := range b.Entries {
		if !entry.Left {
			running++
		}
	}
	return running
}

// PerMinute is a rate, thousandths of a call per second, in calls per minute.
func PerMinute(rate int64) float64 { return float64(rate) * 60 / 1000 }

// FullLimit is the limit of a budget that nobody else takes from.
const FullLimit = 1000

// Pause is a time without calls that Chargebee asked for. Each process serves it from
// when it first sees it, by its own clock.
type Pause struct {
	ID      string
	Seconds int64
	Reason  string
}

// Hold is an operator's pause: it lasts until it is taken away.
type Hold struct {
	Reason string
	Since  int64 // unix seconds
}

// Change is one change of an entry, and of the sums with it.
type Change struct {
	Name  string
	Old   *Entry // as read: the entry must still carry its beat; nil: there must be none
	New   *Entry // nil: the entry is removed
	Limit int64  // as read: where more is taken than before, it must still be the limit
	Most  Sums   // where more is taken than before, the sums must stay within these
}

// Sums are the sums over all entries.
type Sums struct{ Cost, Slots int64 }

// Taken is what the change adds to the sums.
func (c Change) Taken() Sums {
	var taken Sums
	if c.New != nil {
		taken = Sums{c.New.Cost, c.New.Slots}
	}
	if c.Old != nil {
		taken.Cost -= c.Old.Cost
		taken.Slots -= c.Old.Slots
	}
	return taken
}
