package expression

import (
	"bytes"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Condition is the syntax tree of a condition: an operator or function with what it applies
// to.
type Condition struct {
	operator string // OR AND NOT ( = <> < <= > >= BETWEEN IN, or the name of a function
	inner    []*Condition
	operands []operand
}

// exists is the function of which attribute_not_exists is the negation.
const exists = "attribute_exists"

// operand is an attribute, or a value of the request.
type operand struct {
	name  string // empty: the value
	value attribute.Value
}

// of returns the value of an operand, nil if the item lacks the attribute.
func (o operand) of(item attribute.Item) attribute.Value {
	if o.name != "" {
		return item[o.name]
	}
	return o.value
}

// Holds evaluates the condition; an item that does not exist is empty. An absent attribute
// equals nothing and differs from everything; values of different types have no order.
func (c *Condition) Holds(item attribute.Item) bool {
	switch c.operator {
	case "OR":
		return c.inner[0].Holds(item) || c.inner[1].Holds(item)
	case "AND":
		return c.inner[0].Holds(item) && c.inner[1].Holds(item)
	case "NOT":
		return !c.inner[0].Holds(item)
	case "(":
		return c.inner[0].Holds(item)
	}
	first := c.operands[0].of(item)
	value := func(i int) attribute.Value { return c.operands[i].of(item) }
	switch c.operator {
	case "=":
		return attribute.Equal(first, value(1))
	case "<>":
		return !attribute.Equal(first, value(1))
	case "BETWEEN":
		return ordered(first, ">=", value(1)) && ordered(first, "<=", value(2))
	case "IN":
		return slices.ContainsFunc(c.operands[1:], func(o operand) bool { return attribute.Equal(first, o.of(item)) })
	case exists:
		return first != nil
	case "begins_with":
		return beginsWith(first, value(1))
	case "contains":
		return contains(first, value(1))
	}
	return ordered(first, c.operator, value(1))
}

func ordered(left attribute.Value, operator string, right attribute.Value) bool {
	order, ok := attribute.Compare(left, right)
	if !ok {
		return false
	}
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

func beginsWith(value, prefix attribute.Value) bool {
	switch value := value.(type) {
	case attribute.String:
		prefix, ok := prefix.(attribute.String)
		return ok && strings.HasPrefix(string(value), string(prefix))
	case attribute.Binary:
		prefix, ok := prefix.(attribute.Binary)
		return ok && bytes.HasPrefix(value, prefix)
	}
	return false
}

func contains(value, element attribute.Value) bool {
	equal := func(v attribute.Value) bool { return attribute.Equal(v, element) }
	switch value := value.(type) {
	case attribute.String:
		part, ok := element.(attribute.String)
		return ok && strings.Contains(string(value), string(part))
	case attribute.List:
		return slices.ContainsFunc(value, equal)
	case attribute.Set:
		return slices.ContainsFunc(value.Elements, equal)
	}
	return false
}

// Mentions reports whether a condition refers to an attribute of this name.
func (c *Condition) Mentions(name string) bool {
	return slices.ContainsFunc(c.inner, func(inner *Condition) bool { return inner.Mentions(name) }) ||
		slices.ContainsFunc(c.operands, func(o operand) bool { return o.name == name })
}

// ParseCondition parses a condition, filter or key condition expression; label is which of
// them.
func ParseCondition(label, source string, placeholders *Placeholders) (*Condition, error) {
	p := newParser(label, source, placeholders)
	condition := p.or()
	return condition, p.finish()
}

// or := and { OR and }
func (p *parser) or() *Condition {
	left := p.and()
	for p.acceptKeyword("OR") {
		left = &Condition{operator: "OR", inner: []*Condition{left, p.and()}}
	}
	return left
}

// and := not { AND not }
func (p *parser) and() *Condition {
	left := p.not()
	for p.acceptKeyword("AND") {
		left = &Condition{operator: "AND", inner: []*Condition{left, p.not()}}
	}
	return left
}

// not := NOT not | primary
func (p *parser) not() *Condition {
	if p.acceptKeyword("NOT") {
		return &Condition{operator: "NOT", inner: []*Condition{p.not()}}
	}
	return p.primary()
}

// primary := "(" or ")" | function | comparison
func (p *parser) primary() *Condition {
	if p.accept("(") {
		inner := p.or()
		p.expect(")")
		if inner.operator == "(" {
			p.failf("The expression has redundant parentheses;")
		}
		return &Condition{operator: "(", inner: []*Condition{inner}}
	}
	if p.atCall() {
		return p.function()
	}
	return p.comparison()
}

// comparison := operand ( operator operand | BETWEEN operand AND operand | IN "(" operand { "," operand } ")" )
func (p *parser) comparison() *Condition {
	c := &Condition{operands: []operand{p.operand()}}
	switch t := p.peek(); {
	case t.kind == symbol && slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text):
		p.at++
		c.operator, c.operands = t.text, append(c.operands, p.operand())
		p.requireDistinct(c)
		if t.text != "=" && t.text != "<>" {
			p.requireOrder(c)
		}
	case p.acceptKeyword("BETWEEN"):
		c.operator, c.operands = "BETWEEN", append(c.operands, p.operand())
		if !p.acceptKeyword("AND") {
			p.unexpected()
		}
		c.operands = append(c.operands, p.operand())
		p.requireOrder(c)
		p.requireBounds(c.operands[1], c.operands[2])
	case p.acceptKeyword("IN"):
		c.operator = "IN"
		p.expect("(")
		c.operands = append(c.operands, p.operandList()...)
		if values := len(c.operands) - 1; values > maxIn {
			p.failf("The IN operator has too many operands; number of operands: %d", values)
		}
	default:
		p.unexpected()
	}
	return c
}

// operandList := operand { "," operand } ")"
func (p *parser) operandList() []operand {
	list := []operand{p.operand()}
	for p.accept(",") {
		list = append(list, p.operand())
	}
	p.expect(")")
	return list
}

// operand := name | literal
func (p *parser) operand() operand {
	if p.atLiteral() {
		return p.literal()
	}
	return operand{name: p.name()}
}

const ifNotExists = "if_not_exists"

// operandCounts are the numbers of operands of the functions that are conditions.
var operandCounts = map[string]int{
	exists: 1, "attribute_not_exists": 1, "begins_with": 2, "contains": 2,
}

// failFunction fails at a function that is not emulated, or exists but has a problem here.
func (p *parser) failFunction(name, problem string) {
	if slices.Contains([]string{"attribute_type", "size", "list_append"}, name) {
		p.failf("The fake does not support the function; function: %s", name)
	}
	if operandCounts[name] > 0 || name == ifNotExists {
		p.failf("The function %s; function: %s", problem, name)
	}
	p.failf("Invalid function name; function: %s", name)
}

// function := name "(" operand { "," operand } ")"
func (p *parser) function() *Condition {
	name := p.next().text
	p.expect("(")
	if operandCounts[name] == 0 {
		p.failFunction(name, "is not allowed in a condition expression")
		return &Condition{}
	}
	c := &Condition{operator: name, operands: p.operandList()}
	if len(c.operands) != operandCounts[name] {
		p.failf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(c.operands))
		return c
	}
	switch name {
	case "begins_with":
		p.requireDistinct(c)
		for _, operand := range c.operands {
			p.requireType("operator or function: "+name, operand, attribute.TypeString, attribute.TypeBinary)
		}
	case "contains":
		p.requireDistinct(c)
	default:
		if c.operands[0].name == "" {
			p.failf("Operator or function requires a document path; operator or function: %s", name)
		}
	}
	if name == "attribute_not_exists" {
		c.operator = exists
		return &Condition{operator: "NOT", inner: []*Condition{c}}
	}
	return c
}

// requireDistinct refuses an attribute compared with itself.
func (p *parser) requireDistinct(c *Condition) {
	if name := c.operands[0].name; name != "" && name == c.operands[1].name {
		p.failf("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: [%s]", c.operator, name)
	}
}

// requireOrder refuses literals that have no order.
func (p *parser) requireOrder(c *Condition) {
	for _, operand := range c.operands {
		p.requireType("operator: "+c.operator, operand, attribute.TypeString, attribute.TypeNumber, attribute.TypeBinary)
	}
}

// requireType refuses literals of other types.
func (p *parser) requireType(where string, literal operand, types ...attribute.Type) {
	if literal.value != nil && !slices.Contains(types, attribute.TypeOf(literal.value)) {
		p.failf("Incorrect operand type for operator or function; %s, operand type: %s", where, attribute.TypeOf(literal.value))
	}
}

// requireBounds refuses literals that nothing lies between.
func (p *parser) requireBounds(low, high operand) {
	if low.value == nil || high.value == nil {
		return
	}
	if order, same := attribute.Compare(low.value, high.value); !same || order > 0 {
		rule := "upper bound to be greater than or equal to lower bound"
		if !same {
			rule = "same data type for lower and upper bounds"
		}
		p.failf("The BETWEEN operator requires %s; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s",
			rule, shown(low.value), shown(high.value))
	}
}

func shown(value attribute.Value) string { return strings.ReplaceAll(attribute.JSON(value), `"`, "") }
