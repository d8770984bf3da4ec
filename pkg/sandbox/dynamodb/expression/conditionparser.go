package expression

import (
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// ParseCondition reads a condition, filter or key condition expression; label
// is which of them.
func ParseCondition(label, source string, placeholders *Placeholders) (Condition, error) {
	p := newParser(label, source, placeholders)
	condition := p.or()
	if err := p.finish(); err != nil {
		return nil, err
	}
	return condition, nil
}

// or := and { OR and }
func (p *parser) or() Condition {
	left := p.and()
	for p.acceptKeyword("OR") {
		p.operator()
		left = Or{left, p.and()}
	}
	return left
}

// and := not { AND not }
func (p *parser) and() Condition {
	left := p.not()
	for p.acceptKeyword("AND") {
		p.operator()
		left = And{left, p.not()}
	}
	return left
}

// not := NOT not | primary
func (p *parser) not() Condition {
	if p.acceptKeyword("NOT") {
		p.operator()
		return Not{p.not()}
	}
	return p.primary()
}

// primary := "(" or ")" | function | comparison
func (p *parser) primary() Condition {
	if p.accept("(") {
		inner := p.or()
		p.expect(")")
		if _, twice := inner.(Group); twice {
			p.failf("The expression has redundant parentheses;")
		}
		return Group{inner}
	}
	if p.atCall() && p.peek().text != "size" {
		return p.function()
	}
	return p.comparison()
}

// comparison := operand ( operator operand | BETWEEN operand AND operand | IN "(" operand { "," operand } ")" )
func (p *parser) comparison() Condition {
	left := p.operand()
	p.operator()
	switch t := p.peek(); {
	case t.kind == symbol && slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text):
		p.at++
		comparison := Comparison{Operator: t.text, Left: left, Right: p.operand()}
		p.distinct(t.text, left, comparison.Right)
		if t.text != "=" && t.text != "<>" {
			p.scalar(t.text, left, comparison.Right)
		}
		return comparison
	case p.acceptKeyword("BETWEEN"):
		between := Between{Operand: left, Low: p.operand()}
		if !p.acceptKeyword("AND") {
			p.unexpected()
		}
		between.High = p.operand()
		p.scalar("BETWEEN", left, between.Low, between.High)
		p.bounds(between.Low, between.High)
		return between
	case p.acceptKeyword("IN"):
		p.expect("(")
		in := In{Operand: left, List: []Operand{p.operand()}}
		for p.accept(",") {
			in.List = append(in.List, p.operand())
		}
		p.expect(")")
		if len(in.List) > maxIn {
			p.failf("The IN operator has too many operands; number of operands: %d", len(in.List))
		}
		return in
	}
	p.unexpected()
	return Comparison{}
}

// operand := path | literal | size "(" path ")"
func (p *parser) operand() Operand {
	switch {
	case p.atLiteral():
		return p.literal()
	case !p.atCall():
		return p.path()
	}
	name := p.next().text
	switch {
	case name == "size":
		p.operator()
		p.expect("(")
		size := Size{p.path()}
		p.expect(")")
		return size
	case arity[name] > 0:
		p.failf("The function is not allowed to be used this way in an expression; function: %s", name)
	default:
		p.failf("Invalid function name; function: %s", name)
	}
	return Literal{}
}

// arity is the number of operands of each function that is a condition.
var arity = map[string]int{
	"attribute_exists":     1,
	"attribute_not_exists": 1,
	"attribute_type":       2,
	"begins_with":          2,
	"contains":             2,
}

// function := name "(" operand { "," operand } ")"
func (p *parser) function() Condition {
	name := p.next().text
	p.operator()
	p.expect("(")
	if arity[name] == 0 {
		switch name {
		case "if_not_exists", "list_append":
			p.failf("The function is not allowed in a condition expression; function: %s", name)
		default:
			p.failf("Invalid function name; function: %s", name)
		}
		return Comparison{}
	}
	operands := []Operand{p.operand()}
	for p.accept(",") {
		operands = append(operands, p.operand())
	}
	p.expect(")")
	if p.err == nil && len(operands) != arity[name] {
		p.failf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d",
			name, len(operands))
	}
	if p.err != nil {
		return Comparison{}
	}
	return p.call(name, operands)
}

func (p *parser) call(name string, operands []Operand) Condition {
	path, isPath := operands[0].(Path)
	if !isPath && (name == "attribute_exists" || name == "attribute_not_exists" || name == "attribute_type") {
		p.failf("Operator or function requires a document path; operator or function: %s", name)
	}
	switch name {
	case "attribute_exists":
		return Exists{path}
	case "attribute_not_exists":
		return Not{Exists{path}}
	case "attribute_type":
		return HasType{path, p.typeName(operands[1])}
	case "begins_with":
		p.distinct(name, operands[0], operands[1])
		for _, operand := range operands {
			p.typed(name, operand, attribute.TypeString, attribute.TypeBinary)
		}
		return BeginsWith{operands[0], operands[1]}
	default:
		p.distinct(name, operands[0], operands[1])
		return Contains{operands[0], operands[1]}
	}
}

func (p *parser) typeName(operand Operand) attribute.Type {
	literal, ok := operand.(Literal)
	name, isString := literal.Value.(attribute.String)
	if !ok || !isString {
		p.failf("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: %s", typeOf(operand))
		return ""
	}
	switch typeName := attribute.Type(name); typeName {
	case attribute.TypeString, attribute.TypeNumber, attribute.TypeBinary, attribute.TypeBool, attribute.TypeNull,
		attribute.TypeList, attribute.TypeMap, attribute.TypeStringSet, attribute.TypeNumberSet, attribute.TypeBinarySet:
		return typeName
	}
	p.failf("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", string(name))
	return ""
}

// distinct refuses a path compared with itself.
func (p *parser) distinct(operator string, left, right Operand) {
	one, isOne := left.(Path)
	two, isTwo := right.(Path)
	if isOne && isTwo && slices.Equal(one, two) {
		p.failf("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s",
			operator, one)
	}
}

// scalar refuses literals that have no order.
func (p *parser) scalar(operator string, operands ...Operand) {
	for _, operand := range operands {
		literal, ok := operand.(Literal)
		if !ok || literal.Value == nil {
			continue
		}
		if _, ok := attribute.Compare(literal.Value, literal.Value); !ok {
			p.failf("Incorrect operand type for operator or function; operator: %s, operand type: %s", operator, literal.Value.Type())
		}
	}
}

// typed refuses literals of other types.
func (p *parser) typed(function string, operand Operand, types ...attribute.Type) {
	literal, ok := operand.(Literal)
	if ok && literal.Value != nil && !slices.Contains(types, literal.Value.Type()) {
		p.failf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s",
			function, literal.Value.Type())
	}
}

// bounds refuses literals that nothing lies between.
func (p *parser) bounds(low, high Operand) {
	from, isFrom := low.(Literal)
	to, isTo := high.(Literal)
	if !isFrom || !isTo || p.err != nil {
		return
	}
	order, same := attribute.Compare(from.Value, to.Value)
	switch {
	case !same:
		p.failf("The BETWEEN operator requires same data type for lower and upper bounds; "+
			"lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", shown(from.Value), shown(to.Value))
	case order > 0:
		p.failf("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "+
			"lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", shown(from.Value), shown(to.Value))
	}
}

func shown(value attribute.Value) string {
	return strings.ReplaceAll(attribute.JSON(value), `"`, "")
}

func typeOf(operand Operand) string {
	if literal, ok := operand.(Literal); ok && literal.Value != nil {
		return string(literal.Value.Type())
	}
	return "a document path"
}
