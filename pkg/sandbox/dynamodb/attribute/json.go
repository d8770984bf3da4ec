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
	read(w.SS != nil, func() (Value, error) { return newStringSet(*w.SS) })
	read(w.NS != nil, func() (Value, error) {
		numbers, err := convert(*w.NS, ParseNumber)
		if err != nil {
			return nil, err
		}
		return newNumberSet(numbers)
	})
	read(w.BS != nil, func() (Value, error) { return newBinarySet(*w.BS) })
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

// appendValue returns hand-written: with encoding/json a page of a query takes three times as long.
func appendValue(to []byte, value Value) []byte {
	to = append(append(append(to, `{"`...), TypeOf(value)...), `":`...)
	switch value := value.(type) {
	case String:
		to = appendText(to, string(value))
	case Number:
		to = appendNumber(to, value)
	case Binary:
		to = appendBase64(to, value)
	case Bool:
		to = strconv.AppendBool(to, bool(value))
	case Null:
		to = append(to, "true"...)
	case List:
		to = appendList(to, value, appendValue)
	case Map:
		to = appendFields(to, value)
	case StringSet:
		to = appendList(to, value, appendText)
	case NumberSet:
		to = appendList(to, value, appendNumber)
	case BinarySet:
		to = appendList(to, value, appendBase64)
	}
	return append(to, '}')
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

func appendList[E any](to []byte, elements []E, one func([]byte, E) []byte) []byte {
	to = append(to, '[')
	for i, element := range elements {
		if i > 0 {
			to = append(to, ',')
		}
		to = one(to, element)
	}
	return append(to, ']')
}

func appendNumber(to []byte, n Number) []byte { return appendText(to, n.String()) }

func appendBase64(to, data []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(to, '"'), data), '"')
}

func appendText(to []byte, text string) []byte {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		escaped, _ := json.Marshal(text) //nolint:errchkjson // a string can always be encoded
		return append(to, escaped...)
	}
	return append(append(append(to, '"'), text...), '"')
}
