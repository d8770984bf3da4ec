package dynamodb

import (
	"cmp"
	"hash/fnv"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// keyAttribute is an attribute that is part of a key; no name means none.
type keyAttribute struct {
	name     string
	typeName attribute.Type
}

// keySchema is the key of a table or an index.
type keySchema struct{ partition, sort keyAttribute }

func (k keySchema) attributes() []keyAttribute {
	if k.sort.name == "" {
		return []keyAttribute{k.partition}
	}
	return []keyAttribute{k.partition, k.sort}
}

func (k keySchema) has(name string) bool {
	return name == k.partition.name || name == k.sort.name
}

// place returns the place of an item; it is not ok if the item lacks a key attribute
// or has one of another type.
func (k keySchema) place(item attribute.Item) (at place, ok bool) {
	partition, ok := k.partition.of(item)
	if !ok {
		return place{}, false
	}
	sort := ""
	if k.sort.name != "" {
		if sort, ok = k.sort.of(item); !ok {
			return place{}, false
		}
	}
	return newPlace(partition, sort), true
}

// of returns the sortable form of the attribute of an item.
func (a keyAttribute) of(item attribute.Item) (string, bool) {
	value, ok := item[a.name]
	if !ok || attribute.TypeOf(value) != a.typeName {
		return "", false
	}
	return attribute.Sortable(value)
}

// check refuses empty and oversized values of a table's key.
func (k keySchema) check(item attribute.Item) error {
	for _, a := range k.attributes() {
		if err := a.checkEmpty(item[a.name]); err != nil {
			return err
		}
	}
	return k.checkSize(item)
}

func (k keySchema) checkSize(item attribute.Item) error {
	if value, ok := item[k.partition.name]; ok && attribute.Size(value) > maxPartitionKey {
		return attribute.Invalidf("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of%d bytes", maxPartitionKey)
	}
	if value, ok := item[k.sort.name]; ok && attribute.Size(value) > maxSortKey {
		return attribute.Invalidf("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of %d bytes", maxSortKey)
	}
	return nil
}

// checkEmpty refuses the empty string as a key.
func (a keyAttribute) checkEmpty(value attribute.Value) error {
	if value == attribute.String("") {
		return attribute.Invalidf("One or more parameter values are not valid. "+
			"The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", a.name)
	}
	return nil
}

// place is the position of a row in the order of a table or an index, or a gap between rows.
//
// Partitions are ordered by a hash of their key, as on AWS, rows within one by
// the sort key, index rows of equal keys by the key of their table. Keys are in
// sortable form, and compared part by part, so no two keys are ever the same.
type place struct {
	hash                      uint64
	partition, sort           string
	tablePartition, tableSort string

	// A gap lies before (-1) or after (1) all rows that agree with its first
	// parts; depth is how many.
	depth depth
	side  int8
}

type depth int8

// How many parts of a place are compared.
const (
	wholeTable    depth = iota // none: the gap before or after everything
	partitionOnly              // before or after a partition
	withSort                   // before or after the rows of equal keys
	wholeKey                   // a row, or before or after it
)

// wholeWindow has all rows.
var wholeWindow = window{from: place{depth: wholeTable, side: -1}, to: place{depth: wholeTable, side: 1}}

func newPlace(partition, sort string) place {
	return place{hash: hashOf(partition), partition: partition, sort: sort, depth: wholeKey}
}

func (p place) compare(other place) int {
	depth := min(p.depth, other.depth)
	order := 0
	if depth >= partitionOnly {
		order = cmp.Or(cmp.Compare(p.hash, other.hash), cmp.Compare(p.partition, other.partition))
	}
	if order == 0 && depth >= withSort {
		order = cmp.Compare(p.sort, other.sort)
	}
	if order == 0 && depth == wholeKey {
		order = cmp.Or(cmp.Compare(p.tablePartition, other.tablePartition), cmp.Compare(p.tableSort, other.tableSort))
	}
	return cmp.Or(order, cmp.Compare(p.side, other.side))
}

// gap returns the gap before (-1) or after (1) all rows that agree with the place to a depth.
func (p place) gap(depth depth, side int8) place {
	p.depth, p.side = depth, side
	return p
}

// window is the range between two gaps.
type window struct{ from, to place }

func (w window) contains(p place) bool { return w.from.compare(p) < 0 && p.compare(w.to) < 0 }

// partitionWindow returns all rows of a partition.
func partitionWindow(partition string) window {
	p := newPlace(partition, "")
	return window{from: p.gap(partitionOnly, -1), to: p.gap(partitionOnly, 1)}
}

// sortWindow narrows a partition to the sort keys that an operator of a key
// condition asks for.
func sortWindow(partition, operator string, keys []string) window {
	w := partitionWindow(partition)
	first := newPlace(partition, keys[0])
	switch operator {
	case "=":
		w.from, w.to = first.gap(withSort, -1), first.gap(withSort, 1)
	case "<":
		w.to = first.gap(withSort, -1)
	case "<=":
		w.to = first.gap(withSort, 1)
	case ">":
		w.from = first.gap(withSort, 1)
	case ">=":
		w.from = first.gap(withSort, -1)
	case "BETWEEN":
		w.from, w.to = first.gap(withSort, -1), newPlace(partition, keys[1]).gap(withSort, 1)
	case "begins_with":
		w.from = first.gap(withSort, -1)
		w.to = newPlace(partition, keys[0]+"\xff").gap(withSort, -1) // no byte of UTF-8 is as high
	}
	return w
}

// hashOf spreads partitions evenly, the same in every process.
func hashOf(partition string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(partition)) // never fails
	h := hash.Sum64()
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
