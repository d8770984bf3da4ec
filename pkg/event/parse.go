package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse parses the body of a webhook and skips the fields that are not used. It returns an
// *InvalidError for malformed JSON and for invalid fields. In an event of type
// PendingInvoiceCreated, all used fields are validated, also for duplicates; only an invalid
// occurred_at, and an invalid value in a line item, counts as absent. In any other event, only
// event_type is validated, and that it is not PendingInvoiceCreated by its name in API V1.
func Parse(body []byte) (Event, error) {
	p := newParser(body)
	if err := p.parse(); err != nil {
		return Event{}, err
	}
	return p.result()
}

// ParseMessage parses the body of a message: the body of a webhook, or an EventBridge envelope
// whose detail is the event.
func ParseMessage(body []byte) (Event, error) {
	p := newParser(body)
	if err := p.parse(); err != nil {
		return Event{}, err
	}
	if p.sawType || p.detail == nil {
		return p.result()
	}
	event, err := Parse(p.detail)
	if invalid, ok := errors.AsType[*InvalidError](err); ok {
		for i, problem := range invalid.Problems {
			// A problem of the whole detail has an empty field.
			invalid.Problems[i].Field = strings.TrimSuffix("detail."+problem.Field, ".")
		}
	}
	return event, err
}

// parser reads the JSON object of a body in one pass.
type parser struct {
	body []byte
	json *jsontext.Decoder
	err  error // the first syntax error: after it, nothing is read

	event         Event
	version       string // of Chargebee's API
	detail        []byte // raw value of the top-level detail object, if any
	sawType       bool
	sawOccurredAt bool

	seen         []string // fields; with about a dozen, a slice is faster than a map
	problems     []Problem
	typeProblems []Problem // those of event_type, reported for every type of event
}

// newParser sets AllowInvalidUTF8 only to accept unpaired surrogates in escape sequences, which are
// valid JSON and an error only in fields that are used. parse rejects invalid UTF-8 itself.
func newParser(body []byte) *parser {
	return &parser{
		body: body,
		json: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		seen: make([]string, 0, 12),
	}
}

var (
	errNotObject    = errors.New("it is not an object")
	errTrailingData = errors.New("there is data after the object")
)

// parse reads the whole body.
func (p *parser) parse() error {
	if !utf8.Valid(p.body) { // SQS rejects it
		return &InvalidError{[]Problem{{Problem: invalidUTF8(p.body)}}}
	}
	if p.kind() == '{' {
		p.object(p.root)
		if p.err == nil {
			_, p.err = p.json.ReadToken()
			switch {
			case p.err == nil:
				p.err = errTrailingData
			case errors.Is(p.err, io.EOF):
				return nil
			}
		}
	} else {
		p.value()
		if p.err == nil {
			p.err = errNotObject
		}
	}
	return &InvalidError{[]Problem{{Problem: malformed(p.err)}}}
}

// invalidUTF8 describes the first invalid byte. Programs that cut a text within an emoji may write a
// half of its surrogate pair.
func invalidUTF8(body []byte) string {
	offset := invalidByte(body)
	problem := "invalid UTF-8"
	if invalid := body[offset:]; len(invalid) > 1 && invalid[0] == 0xED && invalid[1] >= 0xA0 {
		problem += ": half of a character (an unpaired surrogate)"
	}
	return fmt.Sprintf("malformed JSON at byte %d: %s", offset, problem)
}

// invalidByte returns the offset of the first invalid byte.
func invalidByte(body []byte) int {
	offset := 0
	for {
		r, size := utf8.DecodeRune(body[offset:])
		if r == utf8.RuneError && size <= 1 {
			return offset
		}
		offset += size
	}
}

// malformed describes a syntax error without quoting the body.
func malformed(err error) string {
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "malformed JSON: it ends too early"
	case errors.As(err, &syntactic):
		return fmt.Sprintf("malformed JSON at byte %d", syntactic.ByteOffset)
	default:
		return "malformed JSON: " + err.Error()
	}
}

// result returns the event, or an error with the problems that are reported for its type.
func (p *parser) result() (Event, error) {
	if !p.sawType {
		p.report(fieldType, "is missing")
	}
	if len(p.typeProblems) > 0 {
		return Event{}, &InvalidError{p.typeProblems}
	}
	if p.event.Type == invoiceCreated && p.version == apiVersion1 {
		return Event{}, &InvalidError{[]Problem{{Field: fieldVersion, Problem: usesAPIVersion1}}}
	}
	if p.event.Type != PendingInvoiceCreated {
		return Event{ID: p.event.ID, Type: p.event.Type}, nil
	}
	p.validate()
	if len(p.problems) > 0 {
		return Event{}, &InvalidError{p.problems}
	}
	return p.event, nil
}
