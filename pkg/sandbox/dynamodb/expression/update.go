package expression

import (
	"maps"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// The errors of an update that does not fit its item.
var (
	errMissing     = attribute.Invalidf("The provided expression refers to an attribute that does not exist in the item")
	errOperandType = attribute.Invalidf("An operand in the update expression has an incorrect data type")
)

// Update is the syntax tree of an update expression: one action for each attribute that it changes.
type Update []action

// action is a clause of SET, REMOVE, ADD or DELETE.
type action struct {
	name string
	// evaluate returns the new value of the attribute, nil to remove it.
	evaluate func(old attribute.Item) (attribute.Value, error)
}

// Names returns the attributes that the update changes.
func (u Update) Names() []string {
	names := make([]string, len(u))
	for i, action := range u {
		names[i] = action.name
	}
	return names
}

// Apply returns the updated item and does not change the old one, which all actions see.
func (u Update) Apply(old attribute.Item) (attribute.Item, error) {
	updated := maps.Clone(old)
	for _, action := range u {
		value, err := action.evaluate(old)
		if err != nil {
			return nil, err
		}
		if updated[action.name] = value; value == nil {
			delete(updated, action.name)
		}
	}
	return updated, nil
}

// ParseUpdate reads an update expression.
func ParseUpdate(source string, placeholders *Placeholders) (Update, error) {
	p := newParser(UpdateExpression, source, placeholders)
	update := p.update()
	if err := p.finish(); err != nil {
		return nil, err
	}
	return update, checkDistinct(UpdateExpression, update.Names())
}

// update := { SET assignment | REMOVE name | ADD change | DELETE change }, each section once, its clauses parted by commas
func (p *parser) update() Update {
	clauses := map[string]func() action{
		"SET":    p.assignment,
		"REMOVE": p.removal,
		"ADD":    func() action { return p.change("ADD", sum) },
		"DELETE": func() action { return p.change("DELETE", difference) },
	}
	var update Update
	seen := map[string]bool{}
	for p.peek().kind != end {
		section := strings.ToUpper(p.peek().text)
		clause := clauses[section]
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
		update = append(update, clause())
		for p.accept(",") {
			update = append(update, clause())
		}
	}
	return update
}

// removal := name
func (p *parser) removal() action {
	return action{p.name(), func(attribute.Item) (attribute.Value, error) { return nil, nil }}
}

// change := name literal
func (p *parser) change(section string, apply func(old, given attribute.Value) (attribute.Value, error)) action {
	name, given := p.name(), p.literal().value
	_, isSet := given.(attribute.Set)
	if _, isNumber := given.(attribute.Number); !isSet && (section == "DELETE" || !isNumber) {
		p.failf("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
			section, attribute.TypeOf(given), section)
	}
	return action{name, func(old attribute.Item) (attribute.Value, error) { return apply(old[name], given) }}
}

// sum returns what ADD makes of an attribute.
func sum(old, added attribute.Value) (attribute.Value, error) {
	if old == nil {
		return added, nil
	}
	if number, ok := added.(attribute.Number); ok {
		if old, ok := old.(attribute.Number); ok {
			return old.Plus(number)
		}
		return nil, errOperandType
	}
	if union, ok := attribute.Union(old, added); ok {
		return union, nil
	}
	return nil, errOperandType
}

// difference returns what DELETE makes of an attribute; an empty set is none.
func difference(old, deleted attribute.Value) (attribute.Value, error) {
	if old == nil {
		return nil, nil
	}
	if rest, ok := attribute.Difference(old, deleted); ok {
		return rest, nil
	}
	return nil, errOperandType
}

// assignment := name "=" term [ ( "+" | "-" ) term ]
func (p *parser) assignment() action {
	name := p.name()
	p.expect("=")
	left := p.term()
	calculate, ok := arithmetic[p.peek().text]
	if !ok {
		return action{name, left.evaluate}
	}
	operator := p.next().text
	right := p.term()
	for _, t := range []term{left, right} {
		p.requireType("operator or function: "+operator, t.operand, attribute.TypeNumber)
	}
	return action{name, func(old attribute.Item) (attribute.Value, error) { return calculated(old, left, right, calculate) }}
}

// arithmetic has the operators between two terms of SET.
var arithmetic = map[string]func(a, b attribute.Number) (attribute.Number, error){
	"+": attribute.Number.Plus, "-": attribute.Number.Minus,
}

func calculated(old attribute.Item, left, right term, calculate func(a, b attribute.Number) (attribute.Number, error)) (attribute.Value, error) {
	one, err := left.evaluate(old)
	if err != nil {
		return nil, err
	}
	two, err := right.evaluate(old)
	if err != nil {
		return nil, err
	}
	a, isA := one.(attribute.Number)
	b, isB := two.(attribute.Number)
	if !isA || !isB {
		return nil, errOperandType
	}
	return calculate(a, b)
}

// term is a value that SET assigns: an operand, and the fallback for one that does not exist.
type term struct {
	operand  operand
	fallback *term // of if_not_exists
}

func (t term) evaluate(item attribute.Item) (attribute.Value, error) {
	switch value := t.operand.of(item); {
	case value != nil:
		return value, nil
	case t.fallback != nil:
		return t.fallback.evaluate(item)
	}
	return nil, errMissing
}

// term := operand | if_not_exists "(" name "," term ")"
func (p *parser) term() term {
	if !p.atCall() {
		return term{operand: p.operand()}
	}
	function := p.next().text
	p.expect("(")
	if function != ifNotExists {
		p.failFunction(function, "is not allowed in an update expression")
		return term{}
	}
	if p.atLiteral() {
		p.failf("Operator or function requires a document path; operator or function: %s", ifNotExists)
	}
	name := p.name()
	p.expect(",")
	fallback := p.term()
	p.expect(")")
	return term{operand: operand{name: name}, fallback: &fallback}
}
