package attribute

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

func newStringSet(elements []string) (Value, error) {
	if len(elements) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: An string set  may not be empty")
	}
	set := slices.Clone(elements)
	slices.Sort(set)
	if len(slices.Compact(slices.Clone(set))) != len(set) {
		return nil, Invalidf("One or more parameter values were invalid: Input collection [%s] contains duplicates.", strings.Join(elements, ", "))
	}
	return StringSet(set), nil
}

func newNumberSet(set []Number) (Value, error) {
	if len(set) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: An number set  may not be empty")
	}
	slices.SortFunc(set, CompareNumbers)
	same := func(a, b Number) bool { return a.Equal(b.Decimal) }
	if len(slices.CompactFunc(slices.Clone(set), same)) != len(set) {
		return nil, Invalidf("Input collection contains duplicates")
	}
	return NumberSet(set), nil
}

func newBinarySet(set [][]byte) (Value, error) {
	if len(set) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: Binary sets should not be empty")
	}
	slices.SortFunc(set, bytes.Compare)
	if len(slices.CompactFunc(slices.Clone(set), bytes.Equal)) != len(set) {
		return nil, Invalidf("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return BinarySet(set), nil
}

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
