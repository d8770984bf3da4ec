package budget

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

// sighting is since when another's entry stood as it is, by this process's clock.
type sighting struct {
	beat  string
	since time.Time
}

// look takes note of the budget as it was just found.
func (m *Member) look(found pace.Budget) {
	now := m.config.Now()
	m.view = &found
	for name := range m.others {
		if _, ok := found.Entries[name]; !ok {
			delete(m.others, name)
		}
	}
	for name, entry := range found.Entries {
		if m.others[name].beat != entry.Beat {
			m.others[name] = sighting{entry.Beat, now}
		}
	}
	m.limit.see(found, now)
	m.see(found)
}

// tend marks the entries of those who stopped renewing, and takes away what no longer
// counts, so that what they had is free for others. Each write is conditioned on the
// beat: whoever comes first does it, and a holder that was only slow joins anew.
func (m *Member) tend(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m.view.Entries)) {
		if name == m.name && m.entry != nil {
			continue
		}
		entry := m.view.Entries[name]
		stood := m.config.Now().Sub(m.others[name].since)
		var err error
		switch {
		case !entry.Left && stood >= leftAfter:
			_, _, err = m.abandon(ctx, name, entry, entry.Slots)
		case entry.Left && entry.Slots > 0 && stood >= m.config.Limits.CallTimeout+m.config.Limits.way():
			_, _, err = m.abandon(ctx, name, entry, 0)
		case entry.Left && stood >= window+m.config.Limits.way()+goneMargin:
			_, _, err = m.config.Store.Change(ctx, pace.Change{Name: name, Old: &entry})
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tend the entry of %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// abandon marks an entry as left, with what its calls under way still need. One that
// costs nothing is removed.
func (m *Member) abandon(ctx context.Context, name string, old pace.Entry, flying int64) (found pace.Budget, applied bool, err error) {
	left := &pace.Entry{Beat: newBeat(), Left: true, Slots: flying, Cost: min(old.Cost, bucketCost)}
	if left.Cost == 0 && left.Slots == 0 {
		left = nil
	}
	return m.config.Store.Change(ctx, pace.Change{Name: name, Old: &old, New: left})
}
