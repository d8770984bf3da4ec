package dynamodb

import "time"

// memory is how long what was replaced can still be seen by a read that lags.
const memory = 10 * time.Second

// change is what a write does to a table or an index, from when it can be seen.
type change struct {
	due          time.Time
	old, current *row // nil for none
}

// history is the latest changes of a table or an index, the oldest first. It is
// kept only where reads may lag.
type history struct {
	kept    bool
	changes []change
}

// newHistory is kept if anything can make a read lag.
func (s *Service) newHistory() history { return history{kept: s.config.Faults != nil} }

func (h *history) note(c change) {
	if !h.kept {
		return
	}
	forgotten := 0
	for forgotten < len(h.changes) && c.due.Sub(h.changes[forgotten].due) > memory {
		forgotten++
	}
	clear(h.changes[:forgotten])
	h.changes = append(h.changes[forgotten:], c)
}

// asOf is rows as they were at a time, or as long ago as is remembered.
func (h *history) asOf(at time.Time, current rows) rows {
	last := len(h.changes) - 1
	if last < 0 || !h.changes[last].due.After(at) {
		return current
	}
	then := current.Clone() // copies what is changed, no more
	for i := last; i >= 0 && h.changes[i].due.After(at); i-- {
		replace(then, h.changes[i].current, h.changes[i].old)
	}
	return then
}

// replace puts one row in the place of another; nil stands for none.
func replace(in rows, old, current *row) {
	if old != nil {
		in.Delete(old)
	}
	if current != nil {
		in.ReplaceOrInsert(current)
	}
}
