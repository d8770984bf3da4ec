package expression

import (
	"bytes"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Condition is a syntax tree that is true or false of an item.
type Condition interface {
	// Holds evaluates the condition; an item that does not exist is empty.
	Holds(item attribute.Item) bool
	// paths visits every path in the tree.
	paths(visit func(Path))
}

// Operand is a Path, a Literal or a Size.
type Operand interface {
	// value is not ok when the item lacks what the operand asks for.
	value(item attribute.Item) (attribute.Value, bool)
	paths(visit func(Path))
}

type (
	// Or is true if a side is.
	Or struct{ Left, Right Condition }
	// And is true if both sides are.
	And struct{ Left, Right Condition }
	// Not turns its condition round.
	Not struct{ Inner Condition }
	// Group is a condition in parentheses.
	Group struct{ Inner Condition }
	// Comparison is left = <> < <= > >= right.
	Comparison struct {
		Operator    string
		Left, Right Operand
	}
	// Between includes both bounds.
	Between struct{ Operand, Low, High Operand }
	// In is equality with one of a list.
	In struct {
		Operand Operand
		List    []Operand
	}
	// Exists is attribute_exists or, with Not around it, attribute_not_exists.
	Exists struct{ Path Path }
	// HasType is attribute_type.
	HasType struct {
		Path     Path
		TypeName attribute.Type
	}
	// BeginsWith is begins_with.
	BeginsWith struct{ Operand, Prefix Operand }
	// Contains is contains.
	Contains struct{ Operand, Element Operand }
)

type (
	// Literal is a value of the request.
	Literal struct{ Value attribute.Value }
	// Size is the size of what a path leads to.
	Size struct{ Path Path }
)

func (l Literal) value(attribute.Item) (attribute.Value, bool) { return l.Value, true }

func (p Path) value(item attribute.Item) (attribute.Value, bool) { return p.find(item) }

// value of a size is the length of strings in characters, of binaries in
// bytes, of everything else in elements.
func (s Size) value(item attribute.Item) (attribute.Value, bool) {
	value, ok := s.Path.find(item)
	if !ok {
		return nil, false
	}
	var size int
	switch value := value.(type) {
	case attribute.String:
		size = len([]rune(string(value)))
	case attribute.Binary:
		size = len(value)
	case attribute.List:
		size = len(value)
	case attribute.Map:
		size = len(value)
	case attribute.StringSet:
		size = len(value)
	case attribute.NumberSet:
		size = len(value)
	case attribute.BinarySet:
		size = len(value)
	default:
		return nil, false
	}
	return attribute.Int(int64(size)), true
}

// Holds implements Condition.
func (c Or) Holds(item attribute.Item) bool { return c.Left.Holds(item) || c.Right.Holds(item) }

// Holds implements Condition.
func (c And) Holds(item attribute.Item) bool { return c.Left.Holds(item) && c.Right.Holds(item) }

// Holds implements Condition.
func (c Not) Holds(item attribute.Item) bool { return !c.Inner.Holds(item) }

// Holds implements Condition.
func (c Group) Holds(item attribute.Item) bool { return c.Inner.Holds(item) }

// Holds implements Condition. What is absent equals nothing and differs from
// everything; values of different types have no order.
func (c Comparison) Holds(item attribute.Item) bool {
	left, hasLeft := c.Left.value(item)
	right, hasRight := c.Right.value(item)
	both := hasLeft && hasRight
	switch c.Operator {
	case "=":
		return both && attribute.Equal(left, right)
	case "<>":
		return !both || !attribute.Equal(left, right)
	}
	return both && ordered(left, c.Operator, right)
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

// Holds implements Condition.
func (c Between) Holds(item attribute.Item) bool {
	value, ok := c.Operand.value(item)
	low, hasLow := c.Low.value(item)
	high, hasHigh := c.High.value(item)
	return ok && hasLow && hasHigh && ordered(value, ">=", low) && ordered(value, "<=", high)
}

// Holds implements Condition.
func (c In) Holds(item attribute.Item) bool {
	value, ok := c.Operand.value(item)
	return ok && slices.ContainsFunc(c.List, func(operand Operand) bool {
		element, ok := operand.value(item)
		return ok && attribute.Equal(value, element)
	})
}

// Holds implements Condition.
func (c Exists) Holds(item attribute.Item) bool {
	_, ok := c.Path.find(item)
	return ok
}

// Holds implements Condition.
func (c HasType) Holds(item attribute.Item) bool {
	value, ok := c.Path.find(item)
	return ok && value.Type() == c.TypeName
}

// Holds implements Condition.
func (c BeginsWith) Holds(item attribute.Item) bool {
	value, ok := c.Operand.value(item)
	prefix, hasPrefix := c.Prefix.value(item)
	if !ok || !hasPrefix {
		return false
	}
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

// Holds implements Condition.
func (c Contains) Holds(item attribute.Item) bool {
	value, ok := c.Operand.value(item)
	element, hasElement := c.Element.value(item)
	if !ok || !hasElement {
		return false
	}
	switch value := value.(type) {
	case attribute.String:
		part, ok := element.(attribute.String)
		return ok && strings.Contains(string(value), string(part))
	case attribute.Binary:
		part, ok := element.(attribute.Binary)
		return ok && bytes.Contains(value, part)
	case attribute.List:
		return slices.ContainsFunc(value, func(v attribute.Value) bool { return attribute.Equal(v, element) })
	case attribute.StringSet:
		member, ok := element.(attribute.String)
		return ok && slices.Contains(value, string(member))
	case attribute.NumberSet:
		member, ok := element.(attribute.Number)
		return ok && slices.ContainsFunc(value, func(n attribute.Number) bool { return attribute.Equal(n, member) })
	case attribute.BinarySet:
		member, ok := element.(attribute.Binary)
		return ok && slices.ContainsFunc(value, func(b []byte) bool { return bytes.Equal(b, member) })
	}
	return false
}

func (l Literal) paths(func(Path))       {}
func (p Path) paths(visit func(Path))    { visit(p) }
func (s Size) paths(visit func(Path))    { visit(s.Path) }
func (c Not) paths(visit func(Path))     { c.Inner.paths(visit) }
func (c Group) paths(visit func(Path))   { c.Inner.paths(visit) }
func (c Exists) paths(visit func(Path))  { visit(c.Path) }
func (c HasType) paths(visit func(Path)) { visit(c.Path) }

func (c Or) paths(visit func(Path)) {
	c.Left.paths(visit)
	c.Right.paths(visit)
}

func (c And) paths(visit func(Path)) {
	c.Left.paths(visit)
	c.Right.paths(visit)
}

func (c Comparison) paths(visit func(Path)) {
	c.Left.paths(visit)
	c.Right.paths(visit)
}

func (c Between) paths(visit func(Path)) {
	c.Operand.paths(visit)
	c.Low.paths(visit)
	c.High.paths(visit)
}

func (c In) paths(visit func(Path)) {
	c.Operand.paths(visit)
	for _, operand := range c.List {
		operand.paths(visit)
	}
}

func (c BeginsWith) paths(visit func(Path)) {
	c.Operand.paths(visit)
	c.Prefix.paths(visit)
}

func (c Contains) paths(visit func(Path)) {
	c.Operand.paths(visit)
	c.Element.paths(visit)
}

// Mentions says whether a condition looks at an attribute of this name.
func Mentions(condition Condition, name string) bool {
	found := false
	condition.paths(func(path Path) { found = found || path[0].Name == name })
	return found
}
