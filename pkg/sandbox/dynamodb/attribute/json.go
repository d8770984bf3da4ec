package attribute

import (
	"encoding/base64"
	"encoding/json"
	"slices"
)

// MarshalJSON implements json.Marshaler.
func (i Item) MarshalJSON() ([]byte, error) {
	return appendFields(make([]byte, 0, 64+2*i.Size()), i), nil
}

// appendFields is hand-written because encoding/json would look at each nested
// value once for every level above it.
func appendFields(to []byte, fields map[string]Value) []byte {
	to = append(to, '{')
	var some [16]string // on the stack, for most items
	names := some[:0]
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names) // one item has one text
	for i, name := range names {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendText(to, name)
		to = append(to, ':')
		to = fields[name].appendJSON(to)
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
