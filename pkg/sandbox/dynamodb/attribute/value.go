// Package attribute holds DynamoDB's data types: values, exact numbers, items,
// their JSON form, sizes and order.
//
// Values are immutable once they are part of a stored item: whoever changes an
// item changes a copy.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
package attribute

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Type is the name of a data type, as it stands in JSON.
type Type string

// The data types.
const (
	TypeString    Type = "S"
	TypeNumber    Type = "N"
	TypeBinary    Type = "B"
	TypeBool      Type = "BOOL"
	TypeNull      Type = "NULL"
	TypeList      Type = "L"
	TypeMap       Type = "M"
	TypeStringSet Type = "SS"
	TypeNumberSet Type = "NS"
	TypeBinarySet Type = "BS"
)

// Value is a String, Number, Binary, Bool, Null, List, Map, StringSet,
// NumberSet or BinarySet.
type Value interface {
	Type() Type
	// Size is what the value adds to the size of its item, in bytes.
	Size() int

	appendJSON(to []byte) []byte
}

type (
	// String is text.
	String string
	// Binary is bytes.
	Binary []byte
	// Bool is true or false.
	Bool bool
	// Null is the known absence of a value.
	Null struct{}
	// List is values in order, of any type.
	List []Value
	// Map is values by name, nested in an item.
	Map map[string]Value
	// StringSet is sorted and without duplicates.
	StringSet []string
	// NumberSet is sorted and without duplicates.
	NumberSet []Number
	// BinarySet is sorted and without duplicates.
	BinarySet [][]byte
)

// Item is attributes by name.
type Item map[string]Value

// ValidationError is what the caller did wrong, in the words of the service.
type ValidationError struct{ Message string }

func (e *ValidationError) Error() string { return e.Message }

// Invalidf makes a ValidationError.
func Invalidf(format string, arguments ...any) error {
	return &ValidationError{Message: fmt.Sprintf(format, arguments...)}
}

// Type implements Value.
func (String) Type() Type { return TypeString }

// Type implements Value.
func (Number) Type() Type { return TypeNumber }

// Type implements Value.
func (Binary) Type() Type { return TypeBinary }

// Type implements Value.
func (Bool) Type() Type { return TypeBool }

// Type implements Value.
func (Null) Type() Type { return TypeNull }

// Type implements Value.
func (List) Type() Type { return TypeList }

// Type implements Value.
func (Map) Type() Type { return TypeMap }

// Type implements Value.
func (StringSet) Type() Type { return TypeStringSet }

// Type implements Value.
func (NumberSet) Type() Type { return TypeNumberSet }

// Type implements Value.
func (BinarySet) Type() Type { return TypeBinarySet }

// The sizes follow
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

// containerSize is the overhead of a list or a map, elementSize that of each
// of its elements.
const (
	containerSize = 3
	elementSize   = 1
)

// Size implements Value.
func (v String) Size() int { return len(v) }

// Size implements Value.
func (v Binary) Size() int { return len(v) }

// Size implements Value.
func (Bool) Size() int { return 1 }

// Size implements Value.
func (Null) Size() int { return 1 }

// Size implements Value.
func (v List) Size() int {
	size := containerSize
	for _, element := range v {
		size += elementSize + element.Size()
	}
	return size
}

// Size implements Value.
func (v Map) Size() int { return containerSize + elementSize*len(v) + Item(v).Size() }

// Size implements Value.
func (v StringSet) Size() int {
	size := 0
	for _, element := range v {
		size += len(element)
	}
	return size
}

// Size implements Value.
func (v NumberSet) Size() int {
	size := 0
	for _, element := range v {
		size += element.Size()
	}
	return size
}

// Size implements Value.
func (v BinarySet) Size() int {
	size := 0
	for _, element := range v {
		size += len(element)
	}
	return size
}

// Size is the size of the item in bytes, names included.
func (i Item) Size() int {
	size := 0
	for name, value := range i {
		size += len(name) + value.Size()
	}
	return size
}

// Equal says whether two values have the same type and content.
func Equal(a, b Value) bool {
	switch a := a.(type) {
	case String:
		b, ok := b.(String)
		return ok && a == b
	case Number:
		b, ok := b.(Number)
		return ok && a.Equal(b.Decimal)
	case Binary:
		b, ok := b.(Binary)
		return ok && bytes.Equal(a, b)
	case Bool:
		b, ok := b.(Bool)
		return ok && a == b
	case Null:
		_, ok := b.(Null)
		return ok
	case List:
		b, ok := b.(List)
		return ok && slices.EqualFunc(a, b, Equal)
	case Map:
		b, ok := b.(Map)
		return ok && maps.EqualFunc(a, b, Equal)
	case StringSet:
		b, ok := b.(StringSet)
		return ok && slices.Equal(a, b)
	case NumberSet:
		b, ok := b.(NumberSet)
		return ok && slices.EqualFunc(a, b, func(x, y Number) bool { return x.Equal(y.Decimal) })
	case BinarySet:
		b, ok := b.(BinarySet)
		return ok && slices.EqualFunc(a, b, bytes.Equal)
	}
	return false
}

// Compare orders two values of one scalar type: strings and binaries by their
// bytes, numbers by magnitude. It is not ok for anything else.
func Compare(a, b Value) (order int, ok bool) {
	switch a := a.(type) {
	case String:
		if b, ok := b.(String); ok {
			return cmp.Compare(a, b), true
		}
	case Number:
		if b, ok := b.(Number); ok {
			return a.Cmp(b.Decimal), true
		}
	case Binary:
		if b, ok := b.(Binary); ok {
			return bytes.Compare(a, b), true
		}
	}
	return 0, false
}
