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

// Parse reads the body of a webhook. An event of type PendingInvoiceCreated must
// have an id and an invoice with an id, and no member that is read may have a value
// of the wrong type; of any other event only event_type is looked at. The body is read
// once, and no model is built of what is not used. An *InvalidError names every field
// that is wrong.
func Parse(body []byte) (Event, error) {
	p := newParser(body)
	if err := p.read(body); err != nil {
		return Event{}, err
	}
	return p.result(body)
}

// ParseMessage reads the body of a message: a webhook body, or an EventBridge
// envelope whose detail is the event.
func ParseMessage(body []byte) (Event, error) {
	p := newParser(body)
	if err := p.read(body); err != nil {
		return Event{}, err
	}
	if p.typed || p.detail == nil {
		return p.result(body)
	}
	event, err := Parse(p.detail)
	if invalid, ok := errors.AsType[*InvalidError](err); ok {
		for i, problem := range invalid.Problems {
			invalid.Problems[i].Field = strings.TrimSuffix("detail."+problem.Field, ".")
		}
	}
	return event, err
}

// malformed describes a syntax error without repeating what the body says.
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

var (
	errNoObject = errors.New("it is not an object")
	errTrailing = errors.New("there is something after the object")
)

// newParser returns a parser of the body. AllowInvalidUTF8 lets escaped unpaired
// surrogates pass, which matter only in values that are read. It lets invalid bytes
// pass too: read refuses those first.
func newParser(body []byte) *parser {
	return &parser{json: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

// parser walks over the one JSON object of a body.
type parser struct {
	json     *jsontext.Decoder
	event    Event
	detail   []byte // a member named detail that is an object
	typed    bool   // event_type was seen
	occurred bool   // occurred_at was seen

	seen         []string // paths of the fields that were seen: a dozen, for which a map costs more
	problems     []Problem
	typeProblems []Problem // those of event_type: they count for every event
}

// read reads the body as a whole.
func (p *parser) read(body []byte) error {
	if !utf8.Valid(body) { // which SQS does not take
		return &InvalidError{[]Problem{{Problem: fmt.Sprintf("malformed JSON at byte %d: invalid UTF-8", invalidByte(body))}}}
	}
	if err := p.whole(); err != nil {
		return &InvalidError{[]Problem{{Problem: malformed(err)}}}
	}
	return nil
}

// invalidByte returns the offset of the first byte that is not UTF-8.
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

func (p *parser) whole() error {
	if p.json.PeekKind() != '{' {
		if _, err := p.json.ReadValue(); err != nil {
			return err
		}
		return errNoObject
	}
	p.seen = make([]string, 0, 12)
	if err := p.members(p.root); err != nil {
		return err
	}
	if _, err := p.json.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errTrailing
		}
		return err
	}
	return nil
}

// result is the event that was read, if nothing that counts for its type is wrong.
func (p *parser) result(body []byte) (Event, error) {
	if !p.typed {
		p.report(fieldType, "is missing")
	}
	if len(p.typeProblems) > 0 {
		return Event{}, &InvalidError{p.typeProblems}
	}
	if p.event.Type != PendingInvoiceCreated {
		return Event{ID: p.event.ID, Type: p.event.Type}, nil
	}
	p.requireAll(body)
	if len(p.problems) > 0 {
		return Event{}, &InvalidError{p.problems}
	}
	return p.event, nil
}

// members reads an object and calls read for each member; read returns false for
// one that is not of interest, which is skipped then. The name may be kept only until
// the next token is read: most names are of no interest, and are not worth a string.
func (p *parser) members(read func(name []byte) (bool, error)) error {
	if _, err := p.json.ReadToken(); err != nil {
		return err
	}
	for p.json.PeekKind() != '}' {
		name, err := p.name()
		if err != nil {
			return err
		}
		taken, err := read(name)
		if err == nil && !taken {
			_, err = p.json.ReadValue() // SkipValue goes token by token
		}
		if err != nil {
			return err
		}
	}
	_, err := p.json.ReadToken()
	return err
}

// name reads the name of a member.
func (p *parser) name() ([]byte, error) {
	quoted, err := p.json.ReadValue()
	if err != nil {
		return nil, err
	}
	name, _ := unquote(quoted) // no name that is read has a surrogate
	return name, nil
}

// unquote returns the value of a JSON string. It is not ok if the string has an unpaired
// surrogate: the value has U+FFFD in its place.
func unquote(quoted []byte) (value []byte, ok bool) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	value, err := jsontext.AppendUnquote(nil, quoted)
	return value, err == nil
}

// The fields that are read, by their paths.
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

func (p *parser) root(name []byte) (bool, error) {
	switch string(name) {
	case "id":
		return true, p.required(fieldID, &p.event.ID)
	case "event_type":
		p.typed = true
		return true, p.required(fieldType, &p.event.Type)
	case "occurred_at":
		return true, p.occurredAt()
	case "api_version":
		var version string
		err := p.optional(fieldVersion, &version)
		if err == nil && version != "" && version != apiVersion {
			p.report(fieldVersion, fmt.Sprintf("is not %s: set the API version of the webhook in Chargebee to %s", apiVersion, strings.ToUpper(apiVersion)))
		}
		return true, err
	case "content":
		return true, p.object(fieldContent, p.content)
	case "detail":
		if p.json.PeekKind() != '{' {
			return false, nil
		}
		value, err := p.json.ReadValue()
		p.detail = bytes.Clone(value)
		return true, err
	default:
		return false, nil
	}
}

func (p *parser) content(name []byte) (bool, error) {
	if string(name) != "invoice" {
		return false, nil
	}
	return true, p.object(fieldInvoice, p.invoice)
}

func (p *parser) invoice(name []byte) (bool, error) {
	invoice := &p.event.Invoice
	switch string(name) {
	case "id":
		return true, p.required(fieldInvoiceID, &invoice.ID)
	case "customer_id":
		return true, p.optional(fieldCustomerID, &invoice.CustomerID)
	case "currency_code":
		return true, p.optional(fieldCurrencyCode, &invoice.CurrencyCode)
	case "status":
		return true, p.optional(fieldStatus, &invoice.Status)
	case "subscription_id":
		return true, p.optional(fieldSubscriptionID, &invoice.SubscriptionID)
	case "date":
		return true, p.integer(fieldDate, &invoice.Date)
	case "line_items":
		return true, p.lineItems(fieldLineItems)
	case "line_items_next_offset":
		p.once(fieldNextOffset)
		invoice.MoreLines = p.json.PeekKind() != 'n'
		return false, nil
	default:
		return false, nil
	}
}

// object reads a member that must be an object.
func (p *parser) object(field string, read func(name []byte) (bool, error)) error {
	p.once(field)
	if p.json.PeekKind() != '{' {
		p.report(field, "is not an object")
		return p.json.SkipValue()
	}
	return p.members(read)
}

// required reads a member that must be a string and not empty.
func (p *parser) required(field string, into *string) error {
	p.once(field)
	ok, err := p.text(field, into)
	if ok && *into == "" {
		p.report(field, "is empty")
	}
	return err
}

// optional reads a member that must be a string or null.
func (p *parser) optional(field string, into *string) error {
	p.once(field)
	if p.json.PeekKind() == 'n' {
		return p.json.SkipValue()
	}
	_, err := p.text(field, into)
	return err
}

// text reads a string. Of any other value it reports what is wrong, and is not ok.
func (p *parser) text(field string, into *string) (ok bool, err error) {
	if p.json.PeekKind() != '"' {
		p.report(field, "is not a string")
		return false, p.json.SkipValue()
	}
	quoted, err := p.json.ReadValue()
	if err != nil {
		return false, err
	}
	value, ok := unquote(quoted)
	if !ok {
		p.report(field, "contains an unpaired surrogate")
		return false, nil
	}
	*into = string(value)
	return true, nil
}

// integer reads a member that must be an integer or null.
func (p *parser) integer(field string, into *int64) error {
	p.once(field)
	switch p.json.PeekKind() {
	case 'n':
		return p.json.SkipValue()
	case '0':
		value, err := p.json.ReadValue()
		if err != nil {
			return err
		}
		number, invalid := strconv.ParseInt(string(value), 10, 64)
		if invalid != nil {
			p.report(field, "is not an integer")
		}
		*into = number
		return nil
	default:
		p.report(field, "is not an integer")
		return p.json.SkipValue()
	}
}

// occurredAt reads the time of the event. The event can be billed without it, so no
// value is wrong: what is not an integer, or is ambiguous, counts as absent.
func (p *parser) occurredAt() error {
	repeated := p.occurred
	p.occurred = true
	p.event.OccurredAt = 0
	if repeated || p.json.PeekKind() != '0' {
		return p.json.SkipValue()
	}
	value, err := p.json.ReadValue()
	if err != nil {
		return err
	}
	if number, invalid := strconv.ParseInt(string(value), 10, 64); invalid == nil {
		p.event.OccurredAt = number
	}
	return nil
}

// lineItems reads the lines. What a line lacks is asked of Chargebee later, so no
// line is wrong but one that says the same thing twice.
func (p *parser) lineItems(field string) error {
	p.once(field)
	switch p.json.PeekKind() {
	case '[':
	case 'n':
		return p.json.SkipValue()
	default:
		p.report(field, "is not an array")
		return p.json.SkipValue()
	}
	if _, err := p.json.ReadToken(); err != nil {
		return err
	}
	p.event.Invoice.LineItems = []LineItem{}
	for p.json.PeekKind() != ']' {
		item, err := p.lineItem(field, len(p.event.Invoice.LineItems))
		if err != nil {
			return err
		}
		p.event.Invoice.LineItems = append(p.event.Invoice.LineItems, item)
	}
	_, err := p.json.ReadToken()
	return err
}

func (p *parser) lineItem(field string, index int) (item LineItem, err error) {
	if p.json.PeekKind() != '{' {
		return item, p.json.SkipValue()
	}
	var id, subscriptionID bool // were seen
	err = p.members(func(name []byte) (bool, error) {
		var into *string
		var seen *bool
		switch string(name) {
		case "id":
			into, seen = &item.ID, &id
		case "subscription_id":
			into, seen = &item.SubscriptionID, &subscriptionID
		default:
			return false, nil
		}
		if *seen {
			p.report(fmt.Sprintf("%s.%d.%s", field, index, name), twice)
		}
		*seen = true
		if p.json.PeekKind() != '"' {
			return false, nil
		}
		quoted, err := p.json.ReadValue()
		if err != nil {
			return true, err
		}
		if value, ok := unquote(quoted); ok {
			*into = string(value)
		}
		return true, nil
	})
	return item, err
}

// twice is wrong with a field because readers of JSON disagree on which one counts.
const twice = "stands more than once"

// once reports a field that stands twice.
func (p *parser) once(field string) {
	if slices.Contains(p.seen, field) {
		p.report(field, twice)
		return
	}
	p.seen = append(p.seen, field)
}

// maxProblems is how many problems of an event are told, far more than an honest one
// has: fields that stand a hundred thousand times make no answer of megabytes.
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
