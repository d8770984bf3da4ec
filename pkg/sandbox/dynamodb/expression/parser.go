// Package expression is the language of DynamoDB's condition, filter, key
// condition, update and projection expressions: a lexer, a recursive-descent
// parser with one method per rule, and a syntax tree that evaluates itself.
//
// Placeholders are resolved while parsing, so the tree holds names and values
// only. What is wrong with an expression is reported as a ValidationError in
// the messages of the service.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
package expression

import (
	"fmt"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// The kinds of expressions, as the request's members are called.
const (
	ConditionExpression    = "ConditionExpression"
	FilterExpression       = "FilterExpression"
	KeyConditionExpression = "KeyConditionExpression"
	ProjectionExpression   = "ProjectionExpression"
	UpdateExpression       = "UpdateExpression"
)

const (
	maxLength = 4096 // of an expression, in bytes
	maxIn     = 100  // values in the list of IN
)

// parser reads one expression. The first error sticks: it moves the parser to
// the end, where every rule comes to its own end at once.
type parser struct {
	label        string
	source       string
	tokens       []token
	at           int
	placeholders *Placeholders
	err          error
}

func newParser(label, source string, placeholders *Placeholders) *parser {
	p := &parser{label: label, source: source, tokens: lex(source), placeholders: placeholders}
	switch {
	case len(source) > maxLength:
		p.failf("Expression size has exceeded the maximum allowed size; expression size: %d", len(source))
	case len(p.tokens) == 1:
		p.failf("The expression can not be empty;")
	}
	return p
}

func (p *parser) failf(format string, arguments ...any) {
	if p.err == nil {
		p.err = attribute.Invalidf("Invalid %s: %s", p.label, fmt.Sprintf(format, arguments...))
	}
	p.at = len(p.tokens) - 1
}

// unexpected fails at the next token.
func (p *parser) unexpected() {
	from, to := p.at, p.at
	if from > 0 {
		from--
	}
	if to+1 < len(p.tokens) {
		to++
	}
	near := p.source[p.tokens[from].from:p.tokens[to].to]
	p.failf("Syntax error; token: %q, near: %q", p.tokens[p.at].text, near)
}

// finish wants nothing to be left.
func (p *parser) finish() error {
	if p.err == nil && p.peek().kind != end {
		p.unexpected()
	}
	return p.err
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// accept takes the next token if it is this symbol.
func (p *parser) accept(text string) bool {
	if t := p.peek(); t.kind != symbol || t.text != text {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.unexpected()
	}
}

// acceptKeyword takes the next token if it is this word in any case.
func (p *parser) acceptKeyword(keyword string) bool {
	if t := p.peek(); t.kind != word || !strings.EqualFold(t.text, keyword) {
		return false
	}
	p.at++
	return true
}

// atCall reports whether a function call comes next.
func (p *parser) atCall() bool {
	if p.peek().kind != word {
		return false
	}
	after := p.tokens[p.at+1]
	return after.kind == symbol && after.text == "("
}

// name := word | "#" word. Paths into maps and lists are not emulated.
func (p *parser) name() string {
	t := p.peek()
	switch {
	case t.kind == word && isKeyword(t.text):
		p.unexpected()
	case t.kind == word && IsReserved(t.text):
		p.failf("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
	case t.kind == word:
		p.at++
		return p.endOfName(t.text)
	case t.kind == placeholder && t.text[0] == '#':
		name, ok := p.placeholders.names[t.text]
		if !ok {
			p.failf("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
			return ""
		}
		p.placeholders.used[t.text] = true
		p.at++
		return p.endOfName(name)
	default:
		p.unexpected()
	}
	return ""
}

// endOfName refuses a path that goes on behind a name.
func (p *parser) endOfName(name string) string {
	if next := p.peek().text; next == "." || next == "[" {
		p.failf("The fake does not support paths into maps and lists; attribute name: %s", name)
	}
	return name
}

func isKeyword(text string) bool {
	switch strings.ToUpper(text) {
	case "AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE":
		return true
	}
	return false
}

// literal := ":" word
func (p *parser) literal() operand {
	t := p.peek()
	if !p.atLiteral() {
		p.unexpected()
		return operand{}
	}
	value, ok := p.placeholders.values[t.text]
	if !ok {
		p.failf("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
		return operand{}
	}
	p.placeholders.used[t.text] = true
	p.at++
	return operand{value: value}
}

// atLiteral reports whether a value placeholder comes next.
func (p *parser) atLiteral() bool {
	t := p.peek()
	return t.kind == placeholder && t.text[0] == ':'
}

// tokenKind is the kind of a token.
type tokenKind int

const (
	end         tokenKind = iota
	word                  // a name, keyword or function
	placeholder           // #name or :value
	symbol                // an operator or punctuation
	unknown               // what no expression may contain
)

// token is a piece of an expression.
type token struct {
	kind     tokenKind
	text     string
	from, to int // its place in the source
}

// lex cuts an expression into tokens; the last is always of kind end.
func lex(source string) []token {
	var tokens []token
	for at := 0; at < len(source); {
		from, kind := at, symbol
		switch c := source[at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			at++
			continue
		case isLetter(c):
			kind, at = word, skip(source, at, isLetterOrDigit)
		case c == '#' || c == ':':
			kind, at = placeholder, skip(source, at+1, isLetterOrDigit)
			if at == from+1 {
				kind = unknown
			}
		case c == '<' && at+1 < len(source) && (source[at+1] == '=' || source[at+1] == '>'):
			at += 2
		case c == '>' && at+1 < len(source) && source[at+1] == '=':
			at += 2
		case strings.IndexByte("=<>()[],.+-", c) >= 0:
			at++
		default:
			kind, at = unknown, at+1
		}
		tokens = append(tokens, token{kind: kind, text: source[from:at], from: from, to: at})
	}
	return append(tokens, token{kind: end, text: "<EOF>", from: len(source), to: len(source)})
}

func skip(source string, at int, class func(byte) bool) int {
	for at < len(source) && class(source[at]) {
		at++
	}
	return at
}

func isLetter(c byte) bool        { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool         { return c >= '0' && c <= '9' }
func isLetterOrDigit(c byte) bool { return isLetter(c) || isDigit(c) }
