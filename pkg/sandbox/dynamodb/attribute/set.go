package attribute

import (
	"bytes"
	"cmp"
	"slices"
)

// Union is all elements of two sets. It is not ok unless both are sets of one type.
func Union(a, b Value) (union Value, ok bool) {
	switch a := a.(type) {
	case StringSet:
		b, ok := b.(StringSet)
		return StringSet(merged(a, b, cmp.Compare[string])), ok
	case NumberSet:
		b, ok := b.(NumberSet)
		return NumberSet(merged(a, b, CompareNumbers)), ok
	case BinarySet:
		b, ok := b.(BinarySet)
		return BinarySet(merged(a, b, bytes.Compare)), ok
	}
	return nil, false
}

// Difference is the elements of a that are not in b, nil if there are none. It
// is not ok unless both are sets of one type.
func Difference(a, b Value) (difference Value, ok bool) {
	switch a := a.(type) {
	case StringSet:
		b, ok := b.(StringSet)
		if rest := without(a, b, cmp.Compare[string]); len(rest) > 0 {
			return StringSet(rest), ok
		}
		return nil, ok
	case NumberSet:
		b, ok := b.(NumberSet)
		if rest := without(a, b, CompareNumbers); len(rest) > 0 {
			return NumberSet(rest), ok
		}
		return nil, ok
	case BinarySet:
		b, ok := b.(BinarySet)
		if rest := without(a, b, bytes.Compare); len(rest) > 0 {
			return BinarySet(rest), ok
		}
		return nil, ok
	}
	return nil, false
}

func merged[E any](a, b []E, compare func(E, E) int) []E {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(x, y E) bool { return compare(x, y) == 0 })
}

func without[E any](a, b []E, compare func(E, E) int) []E {
	return slices.DeleteFunc(slices.Clone(a), func(e E) bool {
		_, found := slices.BinarySearchFunc(b, e, compare)
		return found
	})
}
