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
	operands []Operand
}

// exists is the function of which attribute_not_exists is the negation.
const exists = "attribute_exists"

// Operand is a Path, a Literal or a Size.
type Operand interface {
	// value returns nil when the item lacks what the operand asks for.
	value(item attribute.Item) attribute.Value
}

type (
	// Literal is a value of the request.
	Literal struct{ Value attribute.Value }
	// Size is the size of the attribute at a path.
	Size struct{ Path Path }
)

func (l Literal) value(attribute.Item) attribute.Value { return l.Value }

func (p Path) value(item attribute.Item) attribute.Value { return p.find(item) }

// value returns the length of strings in characters, of binaries in bytes, of everything
// else in elements.
func (s Size) value(item attribute.Item) attribute.Value {
	switch value := s.Path.find(item).(type) {
	case attribute.String:
		return attribute.Int(int64(len([]rune(string(value)))))
	case attribute.Binary:
		return attribute.Int(int64(len(value)))
	case attribute.List:
		return attribute.Int(int64(len(value)))
	case attribute.Map:
		return attribute.Int(int64(len(value)))
	case attribute.StringSet:
		return attribute.Int(int64(len(value)))
	case attribute.NumberSet:
		return attribute.Int(int64(len(value)))
	case attribute.BinarySet:
		return attribute.Int(int64(len(value)))
	}
	return nil
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
	first := c.operands[0].value(item)
	value := func(i int) attribute.Value { return c.operands[i].value(item) }
	switch c.operator {
	case "=":
		return attribute.Equal(first, value(1))
	case "<>":
		return !attribute.Equal(first, value(1))
	case "BETWEEN":
		return ordered(first, ">=", value(1)) && ordered(first, "<=", value(2))
	case "IN":
		return slices.ContainsFunc(c.operands[1:], func(o Operand) bool { return attribute.Equal(first, o.value(item)) })
	case exists:
		return first != nil
	case "attribute_type":
		return first != nil && attribute.String(attribute.TypeOf(first)) == value(1)
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
	case attribute.Binary:
		part, ok := element.(attribute.Binary)
		return ok && bytes.Contains(value, part)
	case attribute.List:
		return slices.ContainsFunc(value, equal)
	case attribute.StringSet:
		return slices.ContainsFunc(value, func(s string) bool { return equal(attribute.String(s)) })
	case attribute.NumberSet:
		return slices.ContainsFunc(value, func(n attribute.Number) bool { return equal(n) })
	case attribute.BinarySet:
		return slices.ContainsFunc(value, func(b []byte) bool { return equal(attribute.Binary(b)) })
	}
	return false
}

// Mentions reports whether a condition refers to an attribute of this name.
func (c *Condition) Mentions(name string) bool {
	return slices.ContainsFunc(c.inner, func(inner *Condition) bool { return inner.Mentions(name) }) ||
		slices.ContainsFunc(c.operands, func(operand Operand) bool {
			switch operand := operand.(type) {
			case Path:
				return operand[0].Name == name
			case Size:
				return operand.Path[0].Name == name
			}
			return false
		})
}

// KeyCondition is the part of a table or an index that a query reads.
type KeyCondition struct {
	Partition attribute.Value
	Sort      *SortCondition // nil: the whole partition
}

// SortCondition is a range of sort keys.
type SortCondition struct {
	Operator string // = < <= > >= BETWEEN begins_with
	Values   []attribute.Value
}

// KeyCondition returns the key condition of a query on a key with these names; sort is empty
// when there is no sort key. It must be equality of the partition key and at most one
// condition on the sort key.
func (c *Condition) KeyCondition(partition, sort string) (*KeyCondition, error) {
	byName := map[string]SortCondition{}
	if err := c.collectKeys(byName); err != nil {
		return nil, err
	}
	equality, ok := byName[partition]
	delete(byName, partition)
	switch {
	case !ok:
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", partition)
	case equality.Operator != "=":
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key := &KeyCondition{Partition: equality.Values[0]}
	if len(byName) == 0 {
		return key, nil
	}
	found, ok := byName[sort]
	switch {
	case !ok && sort != "":
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", sort)
	case !ok || len(byName) > 1:
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key.Sort = &found
	return key, nil
}

// collectKeys collects the conditions of an AND by attribute.
func (c *Condition) collectKeys(byName map[string]SortCondition) error {
	switch c.operator {
	case "(", "AND":
		for _, inner := range c.inner {
			if err := inner.collectKeys(byName); err != nil {
				return err
			}
		}
		return nil
	case "=", "<", "<=", ">", ">=", "BETWEEN", "begins_with":
	default:
		return attribute.Invalidf("Invalid operator used in KeyConditionExpression: %s", c.operator)
	}
	path, ok := c.operands[0].(Path)
	if !ok {
		return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", c.operator)
	}
	if len(path) > 1 {
		return attribute.Invalidf("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
	}
	if _, twice := byName[path[0].Name]; twice {
		return attribute.Invalidf("KeyConditionExpressions must only contain one condition per key")
	}
	found := SortCondition{Operator: c.operator}
	for _, operand := range c.operands[1:] {
		literal, ok := operand.(Literal)
		if !ok {
			return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must compare the key attribute with values", c.operator)
		}
		found.Values = append(found.Values, literal.Value)
	}
	byName[path[0].Name] = found
	return nil
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
		p.countOperator()
		left = &Condition{operator: "OR", inner: []*Condition{left, p.and()}}
	}
	return left
}

// and := not { AND not }
func (p *parser) and() *Condition {
	left := p.not()
	for p.acceptKeyword("AND") {
		p.countOperator()
		left = &Condition{operator: "AND", inner: []*Condition{left, p.not()}}
	}
	return left
}

// not := NOT not | primary
func (p *parser) not() *Condition {
	if p.acceptKeyword("NOT") {
		p.countOperator()
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
	if p.atCall() && p.peek().text != "size" {
		return p.function()
	}
	return p.comparison()
}

// comparison := operand ( operator operand | BETWEEN operand AND operand | IN "(" operand { "," operand } ")" )
func (p *parser) comparison() *Condition {
	c := &Condition{operands: []Operand{p.operand()}}
	p.countOperator()
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
func (p *parser) operandList() []Operand {
	list := []Operand{p.operand()}
	for p.accept(",") {
		list = append(list, p.operand())
	}
	p.expect(")")
	return list
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
	if name != "size" {
		p.failFunction(name, "is not allowed to be used this way in an expression")
		return Literal{}
	}
	p.countOperator()
	p.expect("(")
	size := Size{p.path()}
	p.expect(")")
	return size
}

// operandCounts are the numbers of operands of the functions that are conditions.
var operandCounts = map[string]int{
	exists: 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2,
}

// failFunction fails at a function that exists but has a problem here, or does not exist.
func (p *parser) failFunction(name, problem string) {
	if operandCounts[name] > 0 || name == "size" || name == "if_not_exists" || name == "list_append" {
		p.failf("The function %s; function: %s", problem, name)
	}
	p.failf("Invalid function name; function: %s", name)
}

// function := name "(" operand { "," operand } ")"
func (p *parser) function() *Condition {
	name := p.next().text
	p.countOperator()
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
		return c
	case "contains":
		p.requireDistinct(c)
		return c
	}
	if _, isPath := c.operands[0].(Path); !isPath {
		p.failf("Operator or function requires a document path; operator or function: %s", name)
	}
	switch name {
	case "attribute_type":
		p.requireTypeName(c.operands[1])
	case "attribute_not_exists":
		c.operator = exists
		return &Condition{operator: "NOT", inner: []*Condition{c}}
	}
	return c
}

// requireTypeName refuses what is not the name of a type.
func (p *parser) requireTypeName(operand Operand) {
	literal, _ := operand.(Literal)
	name, isString := literal.Value.(attribute.String)
	if !isString {
		p.failf("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: %s", attribute.TypeOf(literal.Value))
	}
	switch attribute.Type(name) {
	case attribute.TypeString, attribute.TypeNumber, attribute.TypeBinary, attribute.TypeBool, attribute.TypeNull,
		attribute.TypeList, attribute.TypeMap, attribute.TypeStringSet, attribute.TypeNumberSet, attribute.TypeBinarySet:
	default:
		p.failf("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", string(name))
	}
}

// requireDistinct refuses a path compared with itself.
func (p *parser) requireDistinct(c *Condition) {
	one, isOne := c.operands[0].(Path)
	two, isTwo := c.operands[1].(Path)
	if isOne && isTwo && slices.Equal(one, two) {
		p.failf("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", c.operator, one)
	}
}

// requireOrder refuses literals that have no order.
func (p *parser) requireOrder(c *Condition) {
	for _, operand := range c.operands {
		p.requireType("operator: "+c.operator, operand, attribute.TypeString, attribute.TypeNumber, attribute.TypeBinary)
	}
}

// requireType refuses literals of other types.
func (p *parser) requireType(where string, operand any, types ...attribute.Type) {
	if literal, ok := operand.(Literal); ok && literal.Value != nil && !slices.Contains(types, attribute.TypeOf(literal.Value)) {
		p.failf("Incorrect operand type for operator or function; %s, operand type: %s", where, attribute.TypeOf(literal.Value))
	}
}

// requireBounds refuses literals that nothing lies between.
func (p *parser) requireBounds(low, high Operand) {
	from, isFrom := low.(Literal)
	to, isTo := high.(Literal)
	if !isFrom || !isTo || p.err != nil {
		return
	}
	if order, same := attribute.Compare(from.Value, to.Value); !same || order > 0 {
		rule := "upper bound to be greater than or equal to lower bound"
		if !same {
			rule = "same data type for lower and upper bounds"
		}
		p.failf("The BETWEEN operator requires %s; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s",
			rule, shown(from.Value), shown(to.Value))
	}
}

func shown(value attribute.Value) string { return strings.ReplaceAll(attribute.JSON(value), `"`, "") }
