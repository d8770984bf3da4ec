package attribute

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxDepth is the maximum nesting of lists and maps.
const maxDepth = 32

var errNoType = Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")

// wire is the JSON form of a value: an object with exactly one member, named after its type.
type wire struct {
	S    *string           `json:",omitempty"`
	N    *string           `json:",omitempty"`
	B    *[]byte           `json:",omitempty"`
	BOOL *bool             `json:",omitempty"`
	NULL *bool             `json:",omitempty"`
	L    *[]*wire          `json:",omitempty"`
	M    *map[string]*wire `json:",omitempty"`
	SS   *[]string         `json:",omitempty"`
	NS   *[]string         `json:",omitempty"`
	BS   *[][]byte         `json:",omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. JSON that is not an item is a ValidationError.
func (i *Item) UnmarshalJSON(data []byte) error {
	var read map[string]*wire
	if err := json.Unmarshal(data, &read); err != nil || read == nil {
		return err
	}
	fields, err := fieldsOf(read, 0)
	*i = Item(fields)
	return err
}

func fieldsOf(read map[string]*wire, depth int) (Map, error) {
	fields := make(Map, len(read))
	for _, name := range slices.Sorted(maps.Keys(read)) { // the same text has the same first error
		value, err := read[name].value(depth)
		if err != nil {
			return nil, err
		}
		fields[name] = value
	}
	return fields, nil
}

func (w *wire) value(depth int) (value Value, err error) {
	if depth > maxDepth {
		return nil, Invalidf("Nesting Levels have exceeded supported limits")
	}
	if w == nil {
		return nil, errNoType
	}
	members := 0
	read := func(present bool, convert func() (Value, error)) {
		if present {
			members++
			if err == nil {
				value, err = convert()
			}
		}
	}
	read(w.S != nil, func() (Value, error) { return String(*w.S), nil })
	read(w.N != nil, func() (Value, error) { return ParseNumber(*w.N) })
	read(w.B != nil, func() (Value, error) { return Binary(*w.B), nil })
	read(w.BOOL != nil, func() (Value, error) { return Bool(*w.BOOL), nil })
	read(w.NULL != nil, func() (Value, error) {
		if !*w.NULL {
			return nil, Invalidf("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return Null{}, nil
	})
	read(w.L != nil, func() (Value, error) {
		elements, err := convert(*w.L, func(element *wire) (Value, error) { return element.value(depth + 1) })
		return List(elements), err
	})
	read(w.M != nil, func() (Value, error) { return fieldsOf(*w.M, depth+1) })
	read(w.SS != nil, func() (Value, error) {
		return setOf(TypeStringSet, "string", *w.SS, func(s string) (Value, error) { return String(s), nil })
	})
	read(w.NS != nil, func() (Value, error) {
		return setOf(TypeNumberSet, "number", *w.NS, func(n string) (Value, error) { return ParseNumber(n) })
	})
	read(w.BS != nil, func() (Value, error) {
		return setOf(TypeBinarySet, "binary", *w.BS, func(b []byte) (Value, error) { return Binary(b), nil })
	})
	switch {
	case err != nil:
		return nil, err
	case members == 0:
		return nil, errNoType
	case members > 1:
		return nil, Invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	return value, nil
}

func setOf[Wire any](setType Type, kind string, wire []Wire, value func(Wire) (Value, error)) (Value, error) {
	elements, err := convert(wire, value)
	if err != nil {
		return nil, err
	}
	return newSet(setType, kind, elements)
}

func convert[From, To any](from []From, one func(From) (To, error)) ([]To, error) {
	to := make([]To, len(from))
	for i, element := range from {
		var err error
		if to[i], err = one(element); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// MarshalJSON implements json.Marshaler. Equal items have equal text.
func (i Item) MarshalJSON() ([]byte, error) {
	return appendFields(make([]byte, 0, 512), i), nil
}

// JSON returns the JSON form of a value.
func JSON(value Value) string { return string(appendValue(nil, value)) }

// appendValue appends the JSON form of a value: encoding/json takes three times as long for a
// page of a query.
func appendValue(to []byte, value Value) []byte {
	to = append(append(append(to, `{"`...), TypeOf(value)...), `":`...)
	return append(appendContent(to, value), '}')
}

// appendContent appends a value without its type.
func appendContent(to []byte, value Value) []byte {
	switch value := value.(type) {
	case String:
		return appendText(to, string(value))
	case Number:
		return appendText(to, value.String())
	case Binary:
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), value), '"')
	case Bool:
		return strconv.AppendBool(to, bool(value))
	case Null:
		return append(to, "true"...)
	case List:
		return appendList(to, value, appendValue)
	case Map:
		return appendFields(to, value)
	case Set:
		return appendList(to, value.Elements, appendContent)
	}
	return to
}

func appendFields(to []byte, fields map[string]Value) []byte {
	to = append(to, '{')
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendValue(append(appendText(to, name), ':'), fields[name])
	}
	return append(to, '}')
}

func appendList(to []byte, elements []Value, one func([]byte, Value) []byte) []byte {
	to = append(to, '[')
	for i, element := range elements {
		if i > 0 {
			to = append(to, ',')
		}
		to = one(to, element)
	}
	return append(to, ']')
}

func appendText(to []byte, text string) []byte {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		escaped, _ := json.Marshal(text) //nolint:errchkjson // a string can always be encoded
		return append(to, escaped...)
	}
	return append(append(append(to, '"'), text...), '"')
}
