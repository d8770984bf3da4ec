package attribute

import (
	"bytes"
	"cmp"
	"slices"
)

func newStringSet(elements []string) (Value, error) {
	set, err := newSet("string", elements, cmp.Compare[string])
	return StringSet(set), err
}

func newNumberSet(elements []Number) (Value, error) {
	set, err := newSet("number", elements, CompareNumbers)
	return NumberSet(set), err
}

func newBinarySet(elements [][]byte) (Value, error) {
	set, err := newSet("binary", elements, bytes.Compare)
	return BinarySet(set), err
}

// newSet sorts the elements of a set, which must be different.
func newSet[E any](kind string, elements []E, compare func(E, E) int) ([]E, error) {
	if len(elements) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: An %s set  may not be empty", kind)
	}
	set := merged(elements, nil, compare)
	if len(set) != len(elements) {
		return nil, Invalidf("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return set, nil
}

// Union returns all elements of two sets. ok is false unless both are sets of one type.
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

// Difference returns the elements of a that are not in b, nil if there are none. ok is false
// unless both are sets of one type.
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
