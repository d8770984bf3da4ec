package expression

import (
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// ParseUpdate reads an update expression.
func ParseUpdate(source string, placeholders *Placeholders) (*Update, error) {
	p := newParser(UpdateExpression, source, placeholders)
	update := p.update()
	if err := p.finish(); err != nil {
		return nil, err
	}
	return update, checkDistinct(UpdateExpression, update.Paths())
}

// update := { SET set | REMOVE path | ADD change | DELETE change }, each section once, its clauses parted by commas
func (p *parser) update() *Update {
	var update Update
	seen := map[string]bool{}
	for p.peek().kind != end {
		section := strings.ToUpper(p.peek().text)
		clause := map[string]func(){
			"SET":    func() { update.Sets = append(update.Sets, p.assignment()) },
			"REMOVE": func() { update.Removes = append(update.Removes, p.path()) },
			"ADD":    func() { update.Adds = append(update.Adds, p.change("ADD")) },
			"DELETE": func() { update.Deletes = append(update.Deletes, p.change("DELETE")) },
		}[section]
		if clause == nil {
			p.unexpected()
			break
		}
		if seen[section] {
			p.failf("The %q section can only be used once in an update expression;", section)
			break
		}
		seen[section] = true
		p.at++
		clause()
		for p.accept(",") {
			clause()
		}
	}
	return &update
}

// assignment := path "=" sum
func (p *parser) assignment() Assignment {
	path := p.path()
	p.operator()
	p.expect("=")
	return Assignment{Path: path, Value: p.sum()}
}

// sum := term [ ( "+" | "-" ) term ] | "(" sum ")"
func (p *parser) sum() Term {
	left := p.term()
	for _, operator := range []string{"+", "-"} {
		if p.accept(operator) {
			p.operator()
			right := p.term()
			for _, term := range []Term{left, right} {
				p.typedTerm(operator, term, attribute.TypeNumber)
			}
			return Arithmetic{Operator: operator, Left: left, Right: right}
		}
	}
	return left
}

// term := path | literal | "(" sum ")" | if_not_exists "(" path "," sum ")" | list_append "(" sum "," sum ")"
func (p *parser) term() Term {
	switch {
	case p.accept("("):
		inner := p.sum()
		p.expect(")")
		return inner
	case p.atLiteral():
		return p.literal()
	case !p.atCall():
		return p.path()
	}
	name := p.next().text
	p.operator()
	p.expect("(")
	switch name {
	case "if_not_exists":
		if p.atLiteral() {
			p.failf("Operator or function requires a document path; operator or function: if_not_exists")
		}
		path := p.path()
		p.expect(",")
		fallback := p.sum()
		p.expect(")")
		return IfNotExists{Path: path, Fallback: fallback}
	case "list_append":
		left := p.sum()
		p.expect(",")
		right := p.sum()
		p.expect(")")
		p.typedTerm(name, left, attribute.TypeList)
		p.typedTerm(name, right, attribute.TypeList)
		return ListAppend{Left: left, Right: right}
	case "size":
		p.failf("The function is not allowed in an update expression; function: %s", name)
	default:
		if arity[name] > 0 {
			p.failf("The function is not allowed in an update expression; function: %s", name)
		}
		p.failf("Invalid function name; function: %s", name)
	}
	return Literal{}
}

func (p *parser) typedTerm(operator string, term Term, want attribute.Type) {
	if literal, ok := term.(Literal); ok {
		p.typed(operator, literal, want)
	}
}

// change := path literal
func (p *parser) change(section string) Change {
	p.operator()
	change := Change{Path: p.path(), Value: p.literal().Value}
	if p.err != nil {
		return change
	}
	switch typeName := change.Value.Type(); {
	case typeName == attribute.TypeStringSet || typeName == attribute.TypeNumberSet || typeName == attribute.TypeBinarySet:
	case typeName == attribute.TypeNumber && section == "ADD":
	default:
		p.failf("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
			section, typeNames[typeName], section)
	}
	return change
}

// typeNames are the names of types in the message for ADD and DELETE.
var typeNames = map[attribute.Type]string{
	attribute.TypeString: "STRING",
	attribute.TypeNumber: "NUMBER",
	attribute.TypeBinary: "BINARY",
	attribute.TypeBool:   "BOOLEAN",
	attribute.TypeNull:   "NULL",
	attribute.TypeList:   "LIST",
	attribute.TypeMap:    "MAP",
}
