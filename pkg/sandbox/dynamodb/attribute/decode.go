package attribute

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep lists and maps may be nested.
const maxDepth = 32

// UnmarshalJSON implements json.Unmarshaler, whose caller has found the text to be
// JSON. What is JSON but no item is a ValidationError.
//
// It reads the text itself because encoding/json would look at each nested value
// once for every level above it.
func (i *Item) UnmarshalJSON(data []byte) error {
	r := &reader{data: data}
	if r.null() {
		return nil
	}
	fields, err := r.fields(0)
	if err != nil {
		return err
	}
	*i = Item(fields)
	return nil
}

// reader reads a text that is known to be JSON: it looks for what stands there,
// not for what may.
type reader struct {
	data []byte
	at   int
}

// peek is the byte with which the next token begins, 0 at the end.
func (r *reader) peek() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

// null takes the next token if it is null.
func (r *reader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	r.at += len("null")
	return true
}

// open takes the next token if it is this bracket.
func (r *reader) open(bracket byte, what string) error {
	if r.peek() != bracket {
		return r.unexpected(what)
	}
	r.at++
	return nil
}

// more says whether an object or a list goes on; at its end it takes the bracket.
func (r *reader) more(bracket byte) bool {
	if r.peek() == bracket {
		r.at++
		return false
	}
	return true
}

func (r *reader) unexpected(what string) error {
	return fmt.Errorf("expected %s at %.40q", what, r.data[r.at:])
}

// raw takes the next token, a string, with its quotes.
func (r *reader) raw() (text []byte, escaped bool, err error) {
	if r.peek() != '"' {
		return nil, false, r.unexpected("a string")
	}
	start := r.at
	for r.at++; r.data[r.at] != '"'; r.at++ {
		if r.data[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	return r.data[start:r.at], escaped, nil
}

func (r *reader) text() (string, error) {
	raw, escaped, err := r.raw()
	if err != nil {
		return "", err
	}
	if plain := raw[1 : len(raw)-1]; !escaped && utf8.Valid(plain) {
		return string(plain), nil
	}
	var text string
	err = json.Unmarshal(raw, &text)
	return text, err
}

func (r *reader) binary() ([]byte, error) {
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

func (r *reader) bool() (bool, error) {
	switch r.peek() {
	case 't':
		r.at += len("true")
		return true, nil
	case 'f':
		r.at += len("false")
		return false, nil
	}
	return false, r.unexpected("true or false")
}

// skip takes whatever comes next.
func (r *reader) skip() {
	depth := 0
	for {
		switch r.peek() {
		case '"':
			_, _, _ = r.raw() // there is a string
		case '{', '[':
			depth++
			r.at++
		case '}', ']':
			depth--
			r.at++
		default:
			for r.at++; r.at < len(r.data) && !isEnd(r.data[r.at]); r.at++ {
			}
		}
		if depth == 0 {
			return
		}
	}
}

// isEnd says whether a byte ends a number or a word.
func isEnd(c byte) bool {
	switch c {
	case ',', ':', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// fields reads an object of values by name.
func (r *reader) fields(depth int) (Map, error) {
	if err := r.open('{', "an object"); err != nil {
		return nil, err
	}
	fields := Map{}
	for r.more('}') {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		if fields[name], err = r.value(depth); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// value reads an object of exactly one member, which is named after its type.
func (r *reader) value(depth int) (Value, error) {
	if depth > maxDepth {
		return nil, Invalidf("Nesting Levels have exceeded supported limits")
	}
	if r.null() {
		return nil, errNoType
	}
	if err := r.open('{', "an attribute value"); err != nil {
		return nil, err
	}
	var value Value
	for r.more('}') {
		typeName, err := r.text()
		if err != nil {
			return nil, err
		}
		if r.null() {
			continue // as if it were not there
		}
		read, err := r.member(Type(typeName), depth)
		if err != nil {
			return nil, err
		}
		if read != nil && value != nil {
			return nil, Invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		}
		if read != nil {
			value = read
		}
	}
	if value == nil {
		return nil, errNoType
	}
	return value, nil
}

var errNoType = Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")

// member reads the content of a value; of a type that does not exist there is none.
func (r *reader) member(typeName Type, depth int) (Value, error) {
	switch typeName {
	case TypeString:
		text, err := r.text()
		return String(text), err
	case TypeNumber:
		return r.number()
	case TypeBinary:
		data, err := r.binary()
		return Binary(data), err
	case TypeBool:
		is, err := r.bool()
		return Bool(is), err
	case TypeNull:
		is, err := r.bool()
		if err == nil && !is {
			err = Invalidf("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return Null{}, err
	case TypeList:
		elements, err := elements(r, func() (Value, error) { return r.value(depth + 1) })
		return List(elements), err
	case TypeMap:
		return r.fields(depth + 1)
	case TypeStringSet:
		texts, err := elements(r, r.text)
		if err != nil {
			return nil, err
		}
		return newStringSet(texts)
	case TypeNumberSet:
		numbers, err := elements(r, r.number)
		if err != nil {
			return nil, err
		}
		return newNumberSet(numbers)
	case TypeBinarySet:
		data, err := elements(r, r.binary)
		if err != nil {
			return nil, err
		}
		return newBinarySet(data)
	}
	r.skip()
	return nil, nil
}

func (r *reader) number() (Number, error) {
	text, err := r.text()
	if err != nil {
		return Number{}, err
	}
	return ParseNumber(text)
}

// elements reads a list.
func elements[E any](r *reader, element func() (E, error)) ([]E, error) {
	if err := r.open('[', "a list"); err != nil {
		return nil, err
	}
	list := []E{}
	for r.more(']') {
		read, err := element()
		if err != nil {
			return nil, err
		}
		list = append(list, read)
	}
	return list, nil
}
