package event

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse parses the body of a webhook and skips the fields that Billable does not use. It returns an
// *InvalidError for malformed JSON and for invalid fields, which depend on the event type:
//
//	PendingInvoiceCreated  A used field is invalid by its value or as a duplicate. But an invalid or duplicate
//	                       occurred_at, and an invalid value in a line item, count as absent.
//	other types            Only event_type can be invalid, and for invoice_created the api_version v1.
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
	err  error // the first syntax error, after which nothing is read

	event         Event
	version       string // of Chargebee's API
	detail        []byte // raw value of the top-level detail object, if any
	sawType       bool
	sawOccurredAt bool

	seen         []string  // paths of fields that were read; a dozen, so a slice is faster than a map
	problems     []Problem // of all fields
	typeProblems []Problem // of event_type
}

// newParser sets AllowInvalidUTF8, because an unpaired surrogate in an escape sequence is valid JSON, and an
// error only in fields that are used. parse rejects invalid UTF-8 itself.
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

// parse reads the whole body. It returns an error only if the body is not a JSON object in UTF-8.
func (p *parser) parse() error {
	if !utf8.Valid(p.body) { // SQS would reject the body
		return &InvalidError{[]Problem{{Problem: invalidUTF8(p.body)}}}
	}
	isObject := p.peekKind() == '{'
	if isObject {
		p.readObject(p.readEventField)
	} else {
		p.readValue()
	}
	err := p.err
	if err == nil && !isObject {
		err = errNotObject
	}
	if err == nil {
		if _, err = p.json.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		}
		err = cmp.Or(err, errTrailingData)
	}
	return &InvalidError{[]Problem{{Problem: malformed(err)}}}
}

// invalidUTF8 describes the first invalid byte. A program that cuts a text within an emoji may write half of
// a surrogate pair: three bytes, of which the first is 0xED and the second at least 0xA0.
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

// result returns the event, or an *InvalidError with the problems that count for its type (see Parse).
func (p *parser) result() (Event, error) {
	if !p.sawType {
		p.report(fieldType, "is missing")
	}
	if len(p.typeProblems) > 0 {
		return Event{}, &InvalidError{p.typeProblems}
	}
	if p.event.Type == pendingInvoiceCreatedV1 && p.version == apiVersion1 {
		return Event{}, &InvalidError{[]Problem{{Field: fieldVersion, Problem: problemAPIVersion1}}}
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
