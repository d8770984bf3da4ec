package dynamodb

import (
	"time"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// projectAll is the projection of all attributes into an index.
const projectAll = "ALL"

// index is a global secondary index: the items that have its key, in its order.
// It follows its table with a lag.
type index struct {
	name       string
	schema     keySchema
	projection projection
	table      keySchema
	rows       rows
	bytes      int
	lag        func(index string) time.Duration
	pending    []change
	history    history
	meter      meter
}

// follow notes what a write of the table means for the index; old and current
// are the table's rows, nil for none.
func (i *index) follow(old, current *row, now time.Time) {
	before, after := i.rowOf(old), i.rowOf(current)
	if before == nil && after == nil {
		return
	}
	due := now
	if i.lag != nil {
		due = due.Add(i.lag(i.name))
	}
	// Changes of one item must not overtake each other.
	if last := len(i.pending) - 1; last >= 0 && i.pending[last].due.After(due) {
		due = i.pending[last].due
	}
	i.pending = append(i.pending, change{due: due, old: before, current: after})
	i.catchUp(now)
}

// catchUp makes all changes that are due.
func (i *index) catchUp(now time.Time) {
	done := 0
	for _, change := range i.pending {
		if change.due.After(now) {
			break
		}
		done++
		i.replace(change.old, change.current)
		i.history.note(change)
	}
	clear(i.pending[:done])
	if i.pending = i.pending[done:]; len(i.pending) == 0 {
		i.pending = nil
	}
}

func (i *index) replace(old, current *row) {
	replace(i.rows, old, current)
	if old != nil {
		i.bytes -= old.size
	}
	if current != nil {
		i.bytes += current.size
	}
}

// rowOf returns the index's row for a row of the table; nil if it has none.
func (i *index) rowOf(r *row) *row {
	if r == nil {
		return nil
	}
	at, ok := i.schema.place(r.item)
	if !ok {
		return nil
	}
	at.tablePartition, at.tableSort = r.place.partition, r.place.sort
	item := i.projected(r.item)
	size := r.size
	if i.projection.Type != projectAll {
		size = item.Size()
	}
	return &row{place: at, item: item, size: size}
}

func (i *index) projected(item attribute.Item) attribute.Item {
	if i.projection.Type == projectAll {
		return item
	}
	kept := attribute.Item{}
	for name, value := range item {
		if i.projects(name) {
			kept[name] = value
		}
	}
	return kept
}

// projects reports whether an attribute is in the index.
func (i *index) projects(name string) bool {
	return i.projection.Type == projectAll || i.schema.has(name) || i.table.has(name)
}

// check refuses items whose attributes cannot be keys of the index. An item
// without them is fine: it is not in the index.
func (i *index) check(item attribute.Item) error {
	for _, a := range i.schema.attributes() {
		value, ok := item[a.name]
		if !ok {
			continue
		}
		if attribute.TypeOf(value) != a.typeName {
			return attribute.Invalidf("One or more parameter values were invalid: Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s",
				a.name, a.typeName, attribute.TypeOf(value), i.name)
		}
		if err := a.checkEmpty(value); err != nil {
			return err
		}
	}
	return i.schema.checkSize(item)
}

// backfill fills a new index from its table.
func (i *index) backfill(from rows) {
	from.Ascend(func(r *row) bool {
		i.replace(nil, i.rowOf(r))
		return true
	})
}
