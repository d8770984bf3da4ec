package attribute

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// maxDepth is how deep lists and maps may be nested.
const maxDepth = 32

// wire is a value as it stands in JSON: exactly one member is set.
type wire struct {
	S    *string
	N    *string
	B    *[]byte
	BOOL *bool
	NULL *bool
	L    *[]*wire
	M    *map[string]*wire
	SS   *[]string
	NS   *[]string
	BS   *[][]byte
}

// UnmarshalJSON implements json.Unmarshaler. What is JSON but no item is a
// ValidationError.
func (i *Item) UnmarshalJSON(data []byte) error {
	var attributes map[string]*wire
	if err := json.Unmarshal(data, &attributes); err != nil || attributes == nil {
		return err
	}
	fields, err := decodeFields(attributes, 0)
	*i = Item(fields)
	return err
}

func decodeFields(attributes map[string]*wire, depth int) (Map, error) {
	fields := make(Map, len(attributes))
	for name, attribute := range attributes {
		value, err := attribute.decode(depth)
		if err != nil {
			return nil, err
		}
		fields[name] = value
	}
	return fields, nil
}

func (w *wire) decode(depth int) (Value, error) {
	if w == nil {
		w = &wire{}
	}
	if depth > maxDepth {
		return nil, Invalidf("Nesting Levels have exceeded supported limits")
	}
	var value Value
	var err error
	members := 0
	if w.S != nil {
		members++
		value = String(*w.S)
	}
	if w.N != nil {
		members++
		value, err = ParseNumber(*w.N)
	}
	if w.B != nil {
		members++
		value = Binary(*w.B)
	}
	if w.BOOL != nil {
		members++
		value = Bool(*w.BOOL)
	}
	if w.NULL != nil {
		members++
		value = Null{}
		if !*w.NULL {
			err = Invalidf("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
	}
	if w.L != nil {
		members++
		value, err = decodeList(*w.L, depth)
	}
	if w.M != nil {
		members++
		value, err = decodeFields(*w.M, depth+1)
	}
	if w.SS != nil {
		members++
		value, err = decodeStrings(*w.SS)
	}
	if w.NS != nil {
		members++
		value, err = decodeNumbers(*w.NS)
	}
	if w.BS != nil {
		members++
		value, err = decodeBinaries(*w.BS)
	}
	switch members {
	case 0:
		return nil, Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case 1:
		return value, err
	default:
		return nil, Invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
}

func decodeList(elements []*wire, depth int) (Value, error) {
	list := make(List, len(elements))
	for i, element := range elements {
		var err error
		if list[i], err = element.decode(depth + 1); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func decodeStrings(elements []string) (Value, error) {
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

func decodeNumbers(elements []string) (Value, error) {
	if len(elements) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: An number set  may not be empty")
	}
	set := make(NumberSet, len(elements))
	for i, element := range elements {
		var err error
		if set[i], err = ParseNumber(element); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(set, CompareNumbers)
	same := func(a, b Number) bool { return a.Equal(b.Decimal) }
	if len(slices.CompactFunc(slices.Clone(set), same)) != len(set) {
		return nil, Invalidf("Input collection contains duplicates")
	}
	return set, nil
}

func decodeBinaries(elements [][]byte) (Value, error) {
	if len(elements) == 0 {
		return nil, Invalidf("One or more parameter values were invalid: Binary sets should not be empty")
	}
	set := slices.Clone(elements)
	slices.SortFunc(set, bytes.Compare)
	if len(slices.CompactFunc(slices.Clone(set), bytes.Equal)) != len(set) {
		return nil, Invalidf("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return BinarySet(set), nil
}

// CompareNumbers orders numbers by magnitude.
func CompareNumbers(a, b Number) int { return a.Cmp(b.Decimal) }

// MarshalJSON implements json.Marshaler.
func (i Item) MarshalJSON() ([]byte, error) {
	return appendFields(make([]byte, 0, 64+2*i.Size()), i), nil
}

// appendFields is hand-written because encoding/json would look at each nested
// value once for every level above it.
func appendFields(to []byte, fields map[string]Value) []byte {
	to = append(to, '{')
	first := true
	for name, value := range fields {
		if !first {
			to = append(to, ',')
		}
		first = false
		to = appendText(to, name)
		to = append(to, ':')
		to = value.appendJSON(to)
	}
	return append(to, '}')
}

func appendText(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, _ := json.Marshal(text) //nolint:errchkjson // a string always can
			return append(to, escaped...)
		}
	}
	to = append(to, '"')
	to = append(to, text...)
	return append(to, '"')
}

func appendBase64(to, data []byte) []byte {
	to = append(to, '"')
	to = base64.StdEncoding.AppendEncode(to, data)
	return append(to, '"')
}

func appendElements[E any](to []byte, elements []E, element func(to []byte, e E) []byte) []byte {
	to = append(to, '[')
	for i, e := range elements {
		if i > 0 {
			to = append(to, ',')
		}
		to = element(to, e)
	}
	return append(to, ']')
}

func appendNumber(to []byte, n Number) []byte { return appendText(to, n.String()) }

func (v String) appendJSON(to []byte) []byte {
	return append(appendText(append(to, `{"S":`...), string(v)), '}')
}

func (n Number) appendJSON(to []byte) []byte {
	return append(appendNumber(append(to, `{"N":`...), n), '}')
}

func (v Binary) appendJSON(to []byte) []byte {
	return append(appendBase64(append(to, `{"B":`...), v), '}')
}

func (v Bool) appendJSON(to []byte) []byte {
	if v {
		return append(to, `{"BOOL":true}`...)
	}
	return append(to, `{"BOOL":false}`...)
}

func (Null) appendJSON(to []byte) []byte { return append(to, `{"NULL":true}`...) }

func (v List) appendJSON(to []byte) []byte {
	each := func(to []byte, e Value) []byte { return e.appendJSON(to) }
	return append(appendElements(append(to, `{"L":`...), v, each), '}')
}

func (v Map) appendJSON(to []byte) []byte {
	return append(appendFields(append(to, `{"M":`...), v), '}')
}

func (v StringSet) appendJSON(to []byte) []byte {
	return append(appendElements(append(to, `{"SS":`...), v, appendText), '}')
}

func (v NumberSet) appendJSON(to []byte) []byte {
	return append(appendElements(append(to, `{"NS":`...), v, appendNumber), '}')
}

func (v BinarySet) appendJSON(to []byte) []byte {
	return append(appendElements(append(to, `{"BS":`...), v, appendBase64), '}')
}

// JSON is the value as it stands in JSON.
func JSON(value Value) string { return string(value.appendJSON(nil)) }
