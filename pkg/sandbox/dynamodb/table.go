package dynamodb

import (
	"slices"
	"time"

	"github.com/google/btree"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Limits of items and keys, in bytes.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxItem         = 400 << 10
	maxPartitionKey = 2048
	maxSortKey      = 1024
)

// treeDegree makes nodes of a few cache lines; it is not critical.
const treeDegree = 32

// row is an item in its place. It never changes.
type row struct {
	place place
	item  attribute.Item
	size  int
}

type rows = *btree.BTreeG[*row]

func newRows() rows {
	return btree.NewG(treeDegree, func(a, b *row) bool { return a.place.compare(b.place) < 0 })
}

// table is a table with its indexes.
type table struct {
	name    string
	schema  keySchema
	types   map[string]attribute.Type // the key attributes of the table and its indexes
	rows    rows
	bytes   int
	history history
	meter   meter
	indexes []*index

	created           time.Time
	billingMode       string
	deletionProtected bool
	timeToLive        string // the attribute; empty: off
}

func (t *table) index(name string) (*index, bool) {
	at := slices.IndexFunc(t.indexes, func(i *index) bool { return i.name == name })
	if at < 0 {
		return nil, false
	}
	return t.indexes[at], true
}

// rowOf returns the row of an item, nil for no item.
func rowOf(at place, item attribute.Item) *row {
	if item == nil {
		return nil
	}
	return &row{place: at, item: item, size: item.Size()}
}

// asOf returns the rows as a read sees them: one that lags sees old ones, unless it is
// consistent.
func (t *table) asOf(now time.Time, lag time.Duration, consistent bool) rows {
	if consistent {
		return t.rows
	}
	return t.history.asOf(now.Add(-lag), t.rows)
}

// itemAt returns the item at a place, nil if there is none.
func itemAt(at place, in rows) attribute.Item {
	if found, ok := in.Get(&row{place: at}); ok {
		return found.item
	}
	return nil
}

// put replaces the item at a place; nil deletes it.
func (t *table) put(at place, item attribute.Item, now time.Time) {
	var old *row
	replaced := rowOf(at, item)
	if replaced != nil {
		old, _ = t.rows.ReplaceOrInsert(replaced)
		t.bytes += replaced.size
	} else {
		old, _ = t.rows.Delete(&row{place: at})
	}
	if old != nil {
		t.bytes -= old.size
	}
	t.history.note(change{due: now, old: old, current: replaced})
	for _, index := range t.indexes {
		index.follow(old, replaced, now)
	}
}

// primaryKey returns the place of a request's Key, which has to be exactly the key.
func (t *table) primaryKey(key attribute.Item) (place, error) {
	attributes := t.schema.attributes()
	if len(key) != len(attributes) {
		return place{}, attribute.Invalidf("The provided key element does not match the schema")
	}
	for _, a := range attributes {
		value, ok := key[a.name]
		if !ok || attribute.TypeOf(value) != a.typeName {
			return place{}, attribute.Invalidf("The provided key element does not match the schema")
		}
	}
	return t.checkedPlace(key)
}

// placeOf returns the place of a whole item.
func (t *table) placeOf(item attribute.Item) (place, error) {
	for _, a := range t.schema.attributes() {
		value, ok := item[a.name]
		if !ok {
			return place{}, attribute.Invalidf("One or more parameter values were invalid: Missing the key %s in the item", a.name)
		}
		if attribute.TypeOf(value) != a.typeName {
			return place{}, attribute.Invalidf("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s",
				a.name, a.typeName, attribute.TypeOf(value))
		}
	}
	return t.checkedPlace(item)
}

func (t *table) checkedPlace(item attribute.Item) (place, error) {
	if err := t.schema.check(item); err != nil {
		return place{}, err
	}
	at, _ := t.schema.place(item)
	return at, nil
}

// memory is the maximum lag of a read.
const memory = 10 * time.Second

// change is the effect of a write on a table or an index, and when it becomes visible.
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

// newHistory returns kept if anything can make a read lag.
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

// asOf returns rows as they were at a time, or as long ago as is remembered.
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

// replace replaces one row by another; nil means none.
func replace(in rows, old, current *row) {
	if old != nil {
		in.Delete(old)
	}
	if current != nil {
		in.ReplaceOrInsert(current)
	}
}
