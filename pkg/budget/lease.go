package budget

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

// attempt is a write whose answer is not known.
type attempt struct {
	entry   pace.Entry
	started time.Time
}

// join takes a left entry over, or else adds one. It has no rate yet, and an empty
// bucket: the left one's may still hold what its cost stands for.
func (m *Member) join(ctx context.Context, want, calls int64) (again bool, err error) {
	m.Grant(Grant{})
	m.empty()
	var left *pace.Entry
	m.rename()
	for _, name := range slices.Sorted(maps.Keys(m.view.Entries)) {
		entry := m.view.Entries[name]
		if entry.Left && entry.Slots == 0 && strings.HasPrefix(name, commandPrefix) == m.config.Command {
			m.name, left = name, &entry
			break
		}
	}
	joined := pace.Entry{Beat: newBeat(), Want: want, Calls: calls}
	if left != nil {
		joined.Cost = left.Cost
	}
	started := m.config.Now()
	found, applied, err := m.config.Store.Change(ctx, pace.Change{Name: m.name, Old: left, New: &joined})
	switch {
	case err != nil:
		m.view = nil // the entry may be there: nobody will renew it
		return false, fmt.Errorf("join the budget: %w", err)
	case applied || found.Entries[m.name].Beat == joined.Beat:
		m.adopt(joined, found, started)
	default:
		m.look(found)
	}
	return true, nil
}

// extend renews the entry, and has it follow the member's share: down at once and
// before it is written, up as far as the budget is free and once it is written. If the
// answer shows that the share is another by now, it is renewed again at once.
func (m *Member) extend(ctx context.Context, want, calls int64) (again bool, err error) {
	old := *m.entry
	low := old
	low.Beat, low.Want, low.Calls = newBeat(), want, calls
	view := *m.view
	view.Entries = maps.Clone(view.Entries)
	view.Entries[m.name] = low
	share := m.config.Limits.shareOf(m.name, view)

	if share.rate < low.Rate {
		low.Rate, low.Cost = share.rate, m.config.Limits.cost(share.rate)
	}
	had := m.granted()
	less := had
	less.Rate, less.Slots = min(had.Rate, low.Rate), min(had.Slots, share.slots)
	if less != had {
		m.Grant(less)
	}
	// What flies of this entry never exceeds its slots; the rest is in one of before.
	low.Slots = min(max(share.slots, m.flying()), low.Slots)

	high := m.raised(low, old, share)
	found, applied, err := m.change(ctx, old, high)
	if err == nil && !applied && high != low && found.Entries[m.name].Beat == old.Beat {
		low.Beat = newBeat()
		found, applied, err = m.change(ctx, old, low)
	}
	if err != nil {
		return false, fmt.Errorf("renew the share of the budget: %w", err)
	}
	if !applied && found.Entries[m.name].Beat != old.Beat {
		m.lost()
		return false, nil
	}
	return m.lags(found), nil
}

// lags tells whether the member's rate is another, by more than a tenth, than it could be
// with the budget as it was just found.
func (m *Member) lags(found pace.Budget) bool {
	share := m.config.Limits.shareOf(m.name, found)
	could := share.rate
	if could > m.entry.Rate {
		could = m.raised(*m.entry, *m.entry, share).Rate
	}
	return 10*max(could-m.entry.Rate, m.entry.Rate-could) > max(m.entry.Rate, could)
}

// raised is the entry with as much of its share as is free.
func (m *Member) raised(low, old pace.Entry, share share) pace.Entry {
	limits, view := m.config.Limits, m.view
	high := low
	rate := min(share.rate, limits.rateFor(limits.capacity(view.Limit)-(view.Used-old.Cost)))
	if rate > low.Rate {
		high.Rate, high.Cost = rate, limits.cost(rate)
	}
	high.Slots = max(low.Slots, min(share.slots, int64(limits.MaxConcurrent)-(view.Slots-old.Slots)))
	return high
}

// change writes the member's entry. One that is found as a write of before would have
// left it was written by that.
func (m *Member) change(ctx context.Context, old, entry pace.Entry) (found pace.Budget, applied bool, err error) {
	started := m.config.Now()
	m.tried[entry.Beat] = attempt{entry, started}
	found, applied, err = m.config.Store.Change(ctx, pace.Change{
		Name: m.name, Old: &old, New: &entry, Limit: m.view.Limit, Most: m.config.Limits.most(m.view.Limit),
	})
	if err != nil {
		return found, false, err
	}
	if applied {
		m.adopt(entry, found, started)
		return found, true, nil
	}
	m.look(found)
	if tried, ok := m.tried[found.Entries[m.name].Beat]; ok {
		m.adopt(tried.entry, found, tried.started)
		return found, true, nil
	}
	return found, false, nil
}

// adopt takes note that the entry is written, and lets the member call as it says.
func (m *Member) adopt(entry pace.Entry, found pace.Budget, started time.Time) {
	m.entry = &entry
	clear(m.tried)
	m.look(found)
	share := m.config.Limits.shareOf(m.name, found)
	m.Grant(Grant{
		Rate:   entry.Rate,
		Slots:  min(entry.Slots, share.slots), // what is in use beyond it is not taken again
		Until:  started.Add(leaseLife),
		Member: share.member,
	})
}

// lost ends the membership: another took the entry for left.
func (m *Member) lost() {
	m.Grant(Grant{})
	m.entry = nil
	clear(m.tried)
}

// leave gives the share back. What was called with it still counts for a while.
func (m *Member) leave(ctx context.Context) error {
	m.Grant(Grant{})
	if m.entry == nil {
		return nil
	}
	old, tried := *m.entry, maps.Clone(m.tried)
	m.lost()
	found, applied, err := m.abandon(ctx, m.name, old, min(m.flying(), old.Slots))
	if written, ok := tried[found.Entries[m.name].Beat]; err == nil && !applied && ok {
		_, _, err = m.abandon(ctx, m.name, written.entry, min(m.flying(), written.entry.Slots))
	}
	if err != nil {
		return fmt.Errorf("leave the budget: %w", err)
	}
	return nil
}
