package dynamodb

import (
	"cmp"
	"hash/fnv"
)

// place is where a row stands in the order of a table or an index, or a gap
// between rows.
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

const (
	wholeKey      depth = iota // the place of a row, or the gap beside it
	hashOnly                   // the gap beside a range of partitions
	partitionOnly              // the gap beside a partition
	withSort                   // the gap beside the rows of equal keys
)

func newPlace(partition, sort string) place {
	return place{hash: hashOf(partition), partition: partition, sort: sort}
}

func (p place) compare(other place) int {
	order := cmp.Compare(p.hash, other.hash)
	if order != 0 || p.depth == hashOnly || other.depth == hashOnly {
		return cmp.Or(order, cmp.Compare(p.side, other.side))
	}
	order = cmp.Compare(p.partition, other.partition)
	if order != 0 || p.depth == partitionOnly || other.depth == partitionOnly {
		return cmp.Or(order, cmp.Compare(p.side, other.side))
	}
	order = cmp.Compare(p.sort, other.sort)
	if order != 0 || p.depth == withSort || other.depth == withSort {
		return cmp.Or(order, cmp.Compare(p.side, other.side))
	}
	if order = cmp.Compare(p.tablePartition, other.tablePartition); order != 0 {
		return order
	}
	if order = cmp.Compare(p.tableSort, other.tableSort); order != 0 {
		return order
	}
	return cmp.Compare(p.side, other.side)
}

// gap is the gap beside all rows that agree with the place to a depth.
func (p place) gap(depth depth, side int8) place {
	p.depth, p.side = depth, side
	return p
}

// window is the range between two gaps.
type window struct{ from, to place }

func (w window) contains(p place) bool { return w.from.compare(p) < 0 && p.compare(w.to) < 0 }

// partitionWindow is all rows of a partition.
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
		if after, ok := afterPrefix(keys[0]); ok {
			w.to = newPlace(partition, after).gap(withSort, -1)
		}
	}
	return w
}

// afterPrefix is the least string above all strings with a prefix; there is
// none if the prefix is empty or of the highest bytes only.
func afterPrefix(prefix string) (string, bool) {
	for at := len(prefix) - 1; at >= 0; at-- {
		if prefix[at] < 0xff {
			return prefix[:at] + string([]byte{prefix[at] + 1}), true
		}
	}
	return "", false
}

// segmentWindow is one of total equal parts of all partitions.
func segmentWindow(segment, total int) window {
	edge := func(n int) place {
		if n == total {
			return place{hash: ^uint64(0)}.gap(hashOnly, 1)
		}
		return place{hash: ^uint64(0) / uint64(total) * uint64(n)}.gap(hashOnly, -1)
	}
	return window{from: edge(segment), to: edge(segment + 1)}
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
