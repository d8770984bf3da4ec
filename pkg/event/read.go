package event

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// kind returns the kind of the next value or delimiter; 0 after an error.
func (p *parser) kind() jsontext.Kind {
	if p.err != nil {
		return 0
	}
	return p.json.PeekKind()
}

// token skips a delimiter.
func (p *parser) token() {
	if p.err == nil {
		_, p.err = p.json.ReadToken()
	}
}

// value reads a value, which is valid until the next read.
func (p *parser) value() (value jsontext.Value) {
	if p.err == nil {
		value, p.err = p.json.ReadValue()
	}
	return value
}

// object reads an object and calls read for each field. The name is valid until the next read: this
// avoids allocating a string per name.
func (p *parser) object(read func(name []byte) (consumed bool)) {
	p.token()
	for p.err == nil && p.kind() != '}' {
		quoted := p.value()
		if p.err != nil {
			return
		}
		name, _ := unquote(quoted) // on error, it contains U+FFFD and matches no used field
		if !read(name) {
			p.value()
		}
	}
	p.token()
}

// objectField reads a field that must be an object.
func (p *parser) objectField(field string, read func(name []byte) (consumed bool)) {
	p.checkDuplicate(field)
	if p.kind() == '{' {
		p.object(read)
		return
	}
	p.report(field, notObject)
	p.value()
}

// unquote returns the value of a JSON string. ok is false if it has an unpaired surrogate.
func unquote(quoted []byte) (value []byte, ok bool) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	value, err := jsontext.AppendUnquote(nil, quoted)
	return value, err == nil
}

// required reads a string that must not be empty.
func (p *parser) required(field string, dst *string) {
	p.checkDuplicate(field)
	if value := p.value(); p.text(field, value, dst) && *dst == "" {
		p.report(field, "is empty")
	}
}

// optional reads a string or null.
func (p *parser) optional(field string, dst *string) {
	p.checkDuplicate(field)
	if value := p.value(); value.Kind() != 'n' {
		p.text(field, value, dst)
	}
}

// text decodes a string into dst.
func (p *parser) text(field string, value jsontext.Value, dst *string) (ok bool) {
	if p.err != nil {
		return false
	}
	if value.Kind() != '"' {
		p.report(field, "is not a string")
		return false
	}
	text, ok := unquote(value)
	if !ok {
		p.report(field, "contains an unpaired surrogate")
		return false
	}
	*dst = string(text)
	return true
}

// integer reads an integer or null.
func (p *parser) integer(field string, dst *int64) {
	p.checkDuplicate(field)
	value := p.value()
	if p.err != nil || value.Kind() == 'n' {
		return
	}
	number, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		p.report(field, "is not an integer")
	}
	*dst = number
}

const (
	notObject = "is not an object"
	// duplicate is reported for all used fields except occurred_at and detail: JSON parsers
	// disagree about which value counts.
	duplicate = "appears more than once"
)

// checkDuplicate reports a field that was read before.
func (p *parser) checkDuplicate(field string) {
	if slices.Contains(p.seen, field) {
		p.report(field, duplicate)
		return
	}
	p.seen = append(p.seen, field)
}

// maxProblems limits the size of an InvalidError: a field can be duplicated 100,000 times.
const maxProblems = 32

// report adds a problem of a field.
func (p *parser) report(field, problem string) {
	reported := Problem{Field: field, Problem: problem}
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, reported)
	}
	if field == fieldType && len(p.typeProblems) < maxProblems {
		p.typeProblems = append(p.typeProblems, reported)
	}
}
