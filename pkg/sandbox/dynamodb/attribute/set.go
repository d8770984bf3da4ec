package attribute

import "slices"

// Set is a set of strings, numbers or binaries, sorted and without duplicates.
type Set struct {
	Type     Type // TypeStringSet, TypeNumberSet or TypeBinarySet
	Elements []Value
}

// newSet sorts the elements of a set, which must be different.
func newSet(setType Type, kind string, elements []Value) (Value, error) {
	if len(elements) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: An %s set  may not be empty", kind)
	}
	set := merge(elements, nil)
	if len(set) != len(elements) {
		return nil, Invalidf("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return Set{setType, set}, nil
}

// Union returns all elements of two sets. ok is false unless both are sets of one type.
func Union(a, b Value) (union Value, ok bool) {
	one, two, ok := setsOfOneType(a, b)
	return Set{one.Type, merge(one.Elements, two.Elements)}, ok
}

// Difference returns the elements of a that are not in b, nil if there are none. ok is false
// unless both are sets of one type.
func Difference(a, b Value) (difference Value, ok bool) {
	one, two, ok := setsOfOneType(a, b)
	rest := slices.DeleteFunc(slices.Clone(one.Elements), func(element Value) bool {
		_, found := slices.BinarySearchFunc(two.Elements, element, order)
		return found
	})
	if len(rest) == 0 {
		return nil, ok
	}
	return Set{one.Type, rest}, ok
}

func setsOfOneType(a, b Value) (one, two Set, ok bool) {
	one, _ = a.(Set)
	two, _ = b.(Set)
	if one.Type == "" || one.Type != two.Type {
		return Set{}, Set{}, false
	}
	return one, two, true
}

// merge returns the elements of both, sorted and without duplicates.
func merge(a, b []Value) []Value {
	all := slices.Concat(a, b)
	slices.SortFunc(all, order)
	return slices.CompactFunc(all, func(x, y Value) bool { return order(x, y) == 0 })
}

// order compares two elements of one type.
func order(a, b Value) int {
	order, _ := Compare(a, b)
	return order
}
