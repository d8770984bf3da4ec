package event

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// peekKind returns the kind of the next value or delimiter, for example 'n' for null (see jsontext.Kind). It
// returns 0 after a syntax error.
func (p *parser) peekKind() jsontext.Kind {
	if p.err != nil {
		return 0
	}
	return p.json.PeekKind()
}

// skipDelimiter skips a delimiter.
func (p *parser) skipDelimiter() {
	if p.err == nil {
		_, p.err = p.json.ReadToken()
	}
}

// readValue reads a value, which is valid until the next read.
func (p *parser) readValue() (value jsontext.Value) {
	if p.err == nil {
		value, p.err = p.json.ReadValue()
	}
	return value
}

// readObject reads an object and calls readField for each field. The name is valid until the next value is
// read, so that no name is allocated.
func (p *parser) readObject(readField func(name []byte) (consumed bool)) {
	p.skipDelimiter()
	for p.err == nil && p.peekKind() != '}' {
		quoted := p.readValue()
		if p.err != nil {
			return
		}
		name, _ := unquote(quoted) // on error, it contains U+FFFD and matches no used field
		if !readField(name) {
			p.readValue()
		}
	}
	p.skipDelimiter()
}

// readObjectField reads an object that is the value of a field, as readObject does. It reports other values.
func (p *parser) readObjectField(field string, readField func(name []byte) (consumed bool)) {
	p.checkDuplicate(field)
	if p.peekKind() == '{' {
		p.readObject(readField)
		return
	}
	p.report(field, problemNotObject)
	p.readValue()
}

// unquote returns the value of a JSON string. ok is false if the string has an unpaired surrogate.
func unquote(quoted []byte) (value []byte, ok bool) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	value, err := jsontext.AppendUnquote(nil, quoted)
	return value, err == nil
}

// readRequired reads a string into dst, and reports an empty string and other values.
func (p *parser) readRequired(field string, dst *string) {
	p.checkDuplicate(field)
	if value := p.readValue(); p.decodeString(field, value, dst) && *dst == "" {
		p.report(field, "is empty")
	}
}

// readOptional reads a string into dst. It ignores null and reports other values.
func (p *parser) readOptional(field string, dst *string) {
	p.checkDuplicate(field)
	if value := p.readValue(); value.Kind() != 'n' {
		p.decodeString(field, value, dst)
	}
}

// decodeString decodes a string into dst. If it cannot, it reports the problem and returns false.
func (p *parser) decodeString(field string, value jsontext.Value, dst *string) (ok bool) {
	if p.err != nil {
		return false
	}
	if value.Kind() != '"' {
		p.report(field, "is not a string")
		return false
	}
	unquoted, ok := unquote(value)
	if !ok {
		p.report(field, "contains an unpaired surrogate")
		return false
	}
	*dst = string(unquoted)
	return true
}

// readInteger reads an integer into dst. It ignores null and reports other values.
func (p *parser) readInteger(field string, dst *int64) {
	p.checkDuplicate(field)
	value := p.readValue()
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
	problemNotObject = "is not an object"
	// problemDuplicate is reported for all used fields except occurred_at and detail: JSON parsers
	// disagree about which value of a duplicate counts.
	problemDuplicate = "appears more than once"
)

// checkDuplicate reports the field if it was read before.
func (p *parser) checkDuplicate(field string) {
	if slices.Contains(p.seen, field) {
		p.report(field, problemDuplicate)
		return
	}
	p.seen = append(p.seen, field)
}

// maxProblems is the maximum number of problems in an InvalidError: a body can repeat a field 100,000 times.
const maxProblems = 32

// report adds a problem of a field, unless there are maxProblems.
func (p *parser) report(field, problem string) {
	reported := Problem{Field: field, Problem: problem}
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, reported)
	}
	if field == fieldType && len(p.typeProblems) < maxProblems {
		p.typeProblems = append(p.typeProblems, reported)
	}
}
