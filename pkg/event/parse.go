package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
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

// The paths of the fields that are used.
const (
	fieldID             = "id"
	fieldType           = "event_type"
	fieldVersion        = "api_version"
	fieldContent        = "content"
	fieldInvoice        = "content.invoice"
	fieldInvoiceID      = "content.invoice.id"
	fieldCustomerID     = "content.invoice.customer_id"
	fieldCurrencyCode   = "content.invoice.currency_code"
	fieldStatus         = "content.invoice.status"
	fieldSubscriptionID = "content.invoice.subscription_id"
	fieldDate           = "content.invoice.date"
	fieldLineItems      = "content.invoice.line_items"
	fieldNextOffset     = "content.invoice.line_items_next_offset"
)

// root, content and invoice read the value of a field and return true, or return false if the value
// has yet to be skipped.
func (p *parser) root(name []byte) (consumed bool) {
	switch string(name) {
	case "id":
		p.required(fieldID, &p.event.ID)
	case "event_type":
		p.sawType = true
		p.required(fieldType, &p.event.Type)
	case "occurred_at":
		p.occurredAt()
	case "api_version":
		p.optional(fieldVersion, &p.version)
		switch p.version {
		case "", apiVersion:
		case apiVersion1:
			p.report(fieldVersion, usesAPIVersion1)
		default:
			p.report(fieldVersion, "is not v2: "+setAPIVersion)
		}
	case "content":
		p.objectField(fieldContent, p.content)
	case "detail":
		if p.kind() != '{' {
			return false
		}
		p.detail = bytes.Clone(p.value())
	default:
		return false
	}
	return true
}

func (p *parser) content(name []byte) (consumed bool) {
	if string(name) != "invoice" {
		return false
	}
	p.objectField(fieldInvoice, p.invoice)
	return true
}

func (p *parser) invoice(name []byte) (consumed bool) {
	invoice := &p.event.Invoice
	switch string(name) {
	case "id":
		p.required(fieldInvoiceID, &invoice.ID)
	case "customer_id":
		p.optional(fieldCustomerID, &invoice.CustomerID)
	case "currency_code":
		p.optional(fieldCurrencyCode, &invoice.CurrencyCode)
	case "status":
		p.optional(fieldStatus, &invoice.Status)
	case "subscription_id":
		p.optional(fieldSubscriptionID, &invoice.SubscriptionID)
	case "date":
		p.integer(fieldDate, &invoice.Date)
	case "line_items":
		p.lineItems()
	case "line_items_next_offset":
		p.checkDuplicate(fieldNextOffset)
		invoice.MoreLines = invoice.MoreLines || p.kind() != 'n'
		return false
	default:
		return false
	}
	return true
}

func (p *parser) kind() jsontext.Kind {
	if p.err != nil {
		return 0
	}
	return p.json.PeekKind()
}

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

// occurredAt reads the time of the event, which is optional: an invalid or duplicate one counts
// as absent.
func (p *parser) occurredAt() {
	number, err := strconv.ParseInt(string(p.value()), 10, 64)
	if err != nil || p.sawOccurredAt {
		number = 0
	}
	p.event.OccurredAt, p.sawOccurredAt = number, true
}

// lineItems reads the lines. The consumer reads missing fields of a line from Chargebee, so lines
// are not validated except for duplicate fields.
func (p *parser) lineItems() {
	p.checkDuplicate(fieldLineItems)
	if kind := p.kind(); kind != '[' {
		if kind != 'n' {
			p.report(fieldLineItems, "is not an array")
		}
		p.value()
		return
	}
	items := []LineItem{}
	p.token()
	for index := 0; p.err == nil && p.kind() != ']'; index++ {
		if item := p.lineItem(index); index < MaxLineItems {
			items = append(items, item)
		} else {
			p.event.Invoice.MoreLines = true
		}
	}
	p.token()
	p.event.Invoice.LineItems = items
}

func (p *parser) lineItem(index int) (item LineItem) {
	if p.kind() != '{' {
		p.value()
		return item
	}
	var sawID, sawSubscriptionID bool
	p.object(func(name []byte) (consumed bool) {
		var dst *string
		var saw *bool
		switch string(name) {
		case "id":
			dst, saw = &item.ID, &sawID
		case "subscription_id":
			dst, saw = &item.SubscriptionID, &sawSubscriptionID
		default:
			return false
		}
		if *saw {
			p.report(fmt.Sprintf("%s.%d.%s", fieldLineItems, index, name), duplicate)
		}
		*saw = true
		if value := p.value(); value.Kind() == '"' {
			if text, ok := unquote(value); ok {
				*dst = string(text)
			}
		}
		return true
	})
	return item
}

const (
	notObject = "is not an object"
	// duplicate is reported for all used fields except occurred_at and detail: JSON parsers
	// disagree about which value counts.
	duplicate = "appears more than once"
)

func (p *parser) checkDuplicate(field string) {
	if slices.Contains(p.seen, field) {
		p.report(field, duplicate)
		return
	}
	p.seen = append(p.seen, field)
}

// maxProblems limits the size of an InvalidError: a field can be duplicated 100,000 times.
const maxProblems = 32

func (p *parser) report(field, problem string) {
	reported := Problem{Field: field, Problem: problem}
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, reported)
	}
	if field == fieldType && len(p.typeProblems) < maxProblems {
		p.typeProblems = append(p.typeProblems, reported)
	}
}
