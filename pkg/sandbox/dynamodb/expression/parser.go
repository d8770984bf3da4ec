package expression

import (
	"fmt"
	"strconv"
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
	maxLength    = 4096 // of an expression, in bytes
	maxOperators = 300  // operators and functions in an expression
	maxIn        = 100  // values in the list of IN
	maxIndex     = 99_999
)

// parser reads one expression. The first error sticks: it moves the parser to
// the end, where every rule comes to its own end at once.
type parser struct {
	label        string
	source       string
	tokens       []token
	at           int
	operators    int
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

// atCall says whether a function call comes next.
func (p *parser) atCall() bool {
	if p.peek().kind != word {
		return false
	}
	after := p.tokens[p.at+1]
	return after.kind == symbol && after.text == "("
}

// operator counts an operator or function.
func (p *parser) operator() {
	if p.operators++; p.operators > maxOperators {
		p.failf("The expression contains too many operators and functions; maximum: %d", maxOperators)
	}
}

// path := name { "." name | "[" index "]" }
func (p *parser) path() Path {
	path := Path{{Name: p.name()}}
	for {
		switch {
		case p.accept("."):
			path = append(path, Step{Name: p.name()})
		case p.accept("["):
			path = append(path, Step{Index: p.index(), IsIndex: true})
			p.expect("]")
		default:
			return path
		}
	}
}

// name := word | "#" word
func (p *parser) name() string {
	t := p.peek()
	switch {
	case t.kind == word && isKeyword(t.text):
		p.unexpected()
	case t.kind == word && IsReserved(t.text):
		p.failf("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
	case t.kind == word:
		p.at++
		return t.text
	case t.kind == placeholder && t.text[0] == '#':
		name, ok := p.placeholders.names[t.text]
		if !ok {
			p.failf("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
			return ""
		}
		p.placeholders.used[t.text] = true
		p.at++
		return name
	default:
		p.unexpected()
	}
	return ""
}

func isKeyword(text string) bool {
	switch strings.ToUpper(text) {
	case "AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE":
		return true
	}
	return false
}

func (p *parser) index() int {
	t := p.peek()
	if t.kind != digits {
		p.unexpected()
		return 0
	}
	index, err := strconv.Atoi(t.text)
	if err != nil || index > maxIndex {
		p.failf("List index is not within the allowable range; index: [%s]", t.text)
		return 0
	}
	p.at++
	return index
}

// literal := ":" word
func (p *parser) literal() Literal {
	t := p.peek()
	if t.kind != placeholder || t.text[0] != ':' {
		p.unexpected()
		return Literal{}
	}
	value, ok := p.placeholders.values[t.text]
	if !ok {
		p.failf("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
		return Literal{}
	}
	p.placeholders.used[t.text] = true
	p.at++
	return Literal{value}
}

// atLiteral says whether a value placeholder comes next.
func (p *parser) atLiteral() bool {
	t := p.peek()
	return t.kind == placeholder && t.text[0] == ':'
}
