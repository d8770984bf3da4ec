// Package attribute holds DynamoDB's data types: values, exact numbers, items,
// their JSON form, sizes and order.
//
// Values are immutable once they are part of a stored item: changing an item changes a copy.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
package attribute

import (
	"bytes"
	"cmp"
	"fmt"
)

// Type is the name of a data type in JSON.
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

// Value is a String, Number, Binary, Bool, Null, List, Map or Set.
type Value interface{ isValue() }

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
)

// Item is attributes by name.
type Item map[string]Value

// ValidationError is a mistake of the caller, with the message of the service.
type ValidationError struct{ Message string }

func (e *ValidationError) Error() string { return e.Message }

// Invalidf makes a ValidationError.
func Invalidf(format string, arguments ...any) error {
	return &ValidationError{Message: fmt.Sprintf(format, arguments...)}
}

func (String) isValue() {}
func (Number) isValue() {}
func (Binary) isValue() {}
func (Bool) isValue()   {}
func (Null) isValue()   {}
func (List) isValue()   {}
func (Map) isValue()    {}
func (Set) isValue()    {}

// TypeOf returns the data type of a value.
func TypeOf(value Value) Type {
	switch value := value.(type) {
	case String:
		return TypeString
	case Number:
		return TypeNumber
	case Binary:
		return TypeBinary
	case Bool:
		return TypeBool
	case Null:
		return TypeNull
	case List:
		return TypeList
	case Map:
		return TypeMap
	case Set:
		return value.Type
	}
	return ""
}

// Size returns what a value adds to the size of its item, in bytes.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func Size(value Value) int {
	const container, element = 3, 1 // overheads
	size := 0
	switch value := value.(type) {
	case String:
		return len(value)
	case Number: // a byte for two digits, one more, and one for a negative sign
		digits, _ := value.significant()
		size = (max(1, len(digits))+1)/2 + 1
		if value.IsNegative() {
			size++
		}
	case Binary:
		return len(value)
	case Bool, Null:
		return 1
	case List:
		size = container + element*len(value)
		for _, one := range value {
			size += Size(one)
		}
	case Map:
		size = container + element*len(value) + Item(value).Size()
	case Set:
		for _, one := range value.Elements {
			size += Size(one)
		}
	}
	return size
}

// Size returns the size of the item in bytes, names included.
func (i Item) Size() int {
	size := 0
	for name, value := range i {
		size += len(name) + Size(value)
	}
	return size
}

// Equal reports whether two values have the same type and content.
func Equal(a, b Value) bool {
	if a, ok := a.(String); ok { // most values are
		b, ok := b.(String)
		return ok && a == b
	}
	return a != nil && b != nil && JSON(a) == JSON(b)
}

// Compare orders two values of one scalar type: strings and binaries by their
// bytes, numbers by magnitude. ok is false for anything else.
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
