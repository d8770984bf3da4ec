package expression

import (
	"maps"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// The errors of an update that does not fit its item.
var (
	errInvalidPath = attribute.Invalidf("The document path provided in the update expression is invalid for update")
	errMissing     = attribute.Invalidf("The provided expression refers to an attribute that does not exist in the item")
	errOperandType = attribute.Invalidf("An operand in the update expression has an incorrect data type")
)

// Update is the syntax tree of an update expression.
type Update struct {
	Sets    []Assignment
	Removes []Path
	Adds    []Change
	Deletes []Change
}

// Assignment is a clause of SET.
type Assignment struct {
	Path  Path
	Value Term
}

// Change is a clause of ADD or DELETE.
type Change struct {
	Path  Path
	Value attribute.Value
}

// Term is a value that SET assigns: a Path, Literal, Arithmetic, IfNotExists or ListAppend.
type Term interface {
	evaluate(item attribute.Item) (attribute.Value, error)
}

type (
	// Arithmetic is left + right or left - right.
	Arithmetic struct {
		Operator    string
		Left, Right Term
	}
	// IfNotExists is the value at a path, or else the fallback.
	IfNotExists struct {
		Path     Path
		Fallback Term
	}
	// ListAppend is one list after the other.
	ListAppend struct{ Left, Right Term }
)

func (l Literal) evaluate(attribute.Item) (attribute.Value, error) { return l.Value, nil }

func (p Path) evaluate(item attribute.Item) (attribute.Value, error) {
	if value := p.find(item); value != nil {
		return value, nil
	}
	return nil, errMissing
}

func (a Arithmetic) evaluate(item attribute.Item) (attribute.Value, error) {
	left, right, err := operands[attribute.Number](item, a.Left, a.Right)
	if err != nil {
		return nil, err
	}
	if a.Operator == "-" {
		return left.Minus(right)
	}
	return left.Plus(right)
}

func (i IfNotExists) evaluate(item attribute.Item) (attribute.Value, error) {
	if value := i.Path.find(item); value != nil {
		return value, nil
	}
	return i.Fallback.evaluate(item)
}

func (l ListAppend) evaluate(item attribute.Item) (attribute.Value, error) {
	left, right, err := operands[attribute.List](item, l.Left, l.Right)
	return slices.Concat(left, right), err
}

// operands evaluates two terms to values of one type.
func operands[V attribute.Value](item attribute.Item, left, right Term) (one, two V, err error) {
	l, err := left.evaluate(item)
	if err != nil {
		return one, two, err
	}
	r, err := right.evaluate(item)
	if err != nil {
		return one, two, err
	}
	one, isLeft := l.(V)
	two, isRight := r.(V)
	if !isLeft || !isRight {
		return one, two, errOperandType
	}
	return one, two, nil
}

// Paths returns the paths that the update changes.
func (u *Update) Paths() []Path {
	paths := slices.Clone(u.Removes)
	for _, set := range u.Sets {
		paths = append(paths, set.Path)
	}
	for _, change := range slices.Concat(u.Adds, u.Deletes) {
		paths = append(paths, change.Path)
	}
	return paths
}

// replacement returns the new value for the old one; nil means absence.
type replacement func(old attribute.Value) (attribute.Value, error)

// edit is one change of an update.
type edit struct {
	path    Path
	replace replacement
}

// Apply returns the updated item and does not change the old one. All terms see the old
// item. Indexes are places in the old lists: elements are appended in the order of their
// indexes and removed from the last to the first.
func (u *Update) Apply(old attribute.Item) (attribute.Item, error) {
	var edits []edit
	for _, set := range slices.SortedStableFunc(slices.Values(u.Sets), func(a, b Assignment) int { return comparePaths(a.Path, b.Path) }) {
		edits = append(edits, edit{set.Path, func(attribute.Value) (attribute.Value, error) { return set.Value.evaluate(old) }})
	}
	for _, add := range u.Adds {
		edits = append(edits, edit{add.Path, add.added})
	}
	for _, deletion := range u.Deletes {
		edits = append(edits, edit{deletion.Path, deletion.deleted})
	}
	for _, path := range slices.SortedFunc(slices.Values(u.Removes), func(a, b Path) int { return comparePaths(b, a) }) {
		edits = append(edits, edit{path, func(attribute.Value) (attribute.Value, error) { return nil, nil }})
	}
	var item attribute.Value = attribute.Map(old)
	for _, one := range edits {
		var err error
		if item, err = edited(item, one.path, one.replace); err != nil {
			return nil, err
		}
	}
	return attribute.Item(item.(attribute.Map)), nil
}

// edited returns a value with a change at a path. What is on the path is copied.
func edited(value attribute.Value, rest Path, replace replacement) (attribute.Value, error) {
	if len(rest) == 0 {
		return replace(value)
	}
	step := rest[0]
	switch container := value.(type) {
	case attribute.Map:
		if step.IsIndex {
			break
		}
		child, err := edited(container[step.Name], rest[1:], replace)
		if err != nil {
			return nil, err
		}
		changed := attribute.Map{}
		maps.Copy(changed, container)
		if changed[step.Name] = child; child == nil {
			delete(changed, step.Name)
		}
		return changed, nil
	case attribute.List:
		if !step.IsIndex {
			break
		}
		return editedList(container, rest, replace)
	}
	return nil, errInvalidPath
}

func editedList(list attribute.List, rest Path, replace replacement) (attribute.Value, error) {
	index := rest[0].Index
	var old attribute.Value
	if index < len(list) {
		old = list[index]
	}
	child, err := edited(old, rest[1:], replace)
	if err != nil {
		return nil, err
	}
	changed := slices.Clone(list)
	switch {
	case index >= len(list) && child != nil:
		return append(changed, child), nil
	case index >= len(list):
		return list, nil
	case child == nil:
		return slices.Delete(changed, index, index+1), nil
	}
	changed[index] = child
	return changed, nil
}

func (c Change) added(old attribute.Value) (attribute.Value, error) {
	if old == nil {
		return c.Value, nil
	}
	switch added := c.Value.(type) {
	case attribute.Number:
		if old, ok := old.(attribute.Number); ok {
			return old.Plus(added)
		}
	default:
		if set, ok := attribute.Union(old, added); ok {
			return set, nil
		}
	}
	return nil, errOperandType
}

// deleted returns the set without the change's elements; an empty set is none.
func (c Change) deleted(old attribute.Value) (attribute.Value, error) {
	if old == nil {
		return nil, nil
	}
	set, ok := attribute.Difference(old, c.Value)
	if !ok {
		return nil, errOperandType
	}
	return set, nil
}

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
	p.countOperator()
	p.expect("=")
	return Assignment{Path: path, Value: p.sum()}
}

// sum := term [ ( "+" | "-" ) term ] | "(" sum ")"
func (p *parser) sum() Term {
	left := p.term()
	for _, operator := range []string{"+", "-"} {
		if p.accept(operator) {
			p.countOperator()
			right := p.term()
			for _, term := range []Term{left, right} {
				p.requireType("operator or function: "+operator, term, attribute.TypeNumber)
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
	p.countOperator()
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
		p.requireType("operator or function: "+name, left, attribute.TypeList)
		p.requireType("operator or function: "+name, right, attribute.TypeList)
		return ListAppend{Left: left, Right: right}
	}
	p.failFunction(name, "is not allowed in an update expression")
	return Literal{}
}

// change := path literal
func (p *parser) change(section string) Change {
	p.countOperator()
	change := Change{Path: p.path(), Value: p.literal().Value}
	if p.err != nil {
		return change
	}
	switch typeName := attribute.TypeOf(change.Value); {
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
	attribute.TypeString: "STRING", attribute.TypeNumber: "NUMBER", attribute.TypeBinary: "BINARY", attribute.TypeBool: "BOOLEAN",
	attribute.TypeNull: "NULL", attribute.TypeList: "LIST", attribute.TypeMap: "MAP",
}
