package expression

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Projection is a choice of parts of an item.
type Projection struct {
	Paths []Path
	tree  *branch
}

// branch is a node of the tree that the paths form. One without children
// chooses the whole value.
type branch struct {
	fields   map[string]*branch
	elements map[int]*branch
}

// ParseProjection reads a projection expression: paths parted by commas.
func ParseProjection(source string, placeholders *Placeholders) (*Projection, error) {
	p := newParser(ProjectionExpression, source, placeholders)
	paths := []Path{p.path()}
	for p.accept(",") {
		paths = append(paths, p.path())
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	if err := checkDistinct(ProjectionExpression, paths); err != nil {
		return nil, err
	}
	return NewProjection(paths), nil
}

// NewProjection chooses what the paths lead to.
func NewProjection(paths []Path) *Projection {
	projection := &Projection{Paths: paths, tree: &branch{}}
	for _, path := range paths {
		node := projection.tree
		for _, step := range path {
			node = node.child(step)
		}
	}
	return projection
}

func (b *branch) child(step Step) *branch {
	if step.IsIndex {
		if b.elements == nil {
			b.elements = map[int]*branch{}
		}
		if b.elements[step.Index] == nil {
			b.elements[step.Index] = &branch{}
		}
		return b.elements[step.Index]
	}
	if b.fields == nil {
		b.fields = map[string]*branch{}
	}
	if b.fields[step.Name] == nil {
		b.fields[step.Name] = &branch{}
	}
	return b.fields[step.Name]
}

// Of returns the chosen parts of the item; a nil projection chooses all. Elements of
// lists move together.
func (p *Projection) Of(item attribute.Item) attribute.Item {
	if p == nil {
		return item
	}
	return attribute.Item(p.tree.fieldsOf(attribute.Map(item)))
}

func (b *branch) fieldsOf(from attribute.Map) attribute.Map {
	chosen := attribute.Map{}
	for name, child := range b.fields {
		if value, ok := from[name]; ok {
			if part := child.of(value); part != nil {
				chosen[name] = part
			}
		}
	}
	return chosen
}

// of returns the chosen part of a value, nil if it has none.
func (b *branch) of(value attribute.Value) attribute.Value {
	if b.fields == nil && b.elements == nil {
		return value
	}
	switch value := value.(type) {
	case attribute.Map:
		if chosen := b.fieldsOf(value); len(chosen) > 0 {
			return chosen
		}
	case attribute.List:
		var chosen attribute.List
		for _, index := range slices.Sorted(maps.Keys(b.elements)) {
			if index < len(value) {
				if part := b.elements[index].of(value[index]); part != nil {
					chosen = append(chosen, part)
				}
			}
		}
		if len(chosen) > 0 {
			return chosen
		}
	}
	return nil
}

// Step is one step of a path: into a map by name, or into a list by index.
type Step struct {
	Name    string
	Index   int
	IsIndex bool
}

// Path leads to an attribute; its first step is a name.
type Path []Step

func (p Path) String() string {
	steps := make([]string, len(p))
	for i, step := range p {
		steps[i] = step.Name
		if step.IsIndex {
			steps[i] = "[" + strconv.Itoa(step.Index) + "]"
		}
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// find returns the value at the path in an item, nil if there is none.
func (p Path) find(item attribute.Item) attribute.Value {
	value := item[p[0].Name]
	for _, step := range p[1:] {
		switch container := value.(type) {
		case attribute.Map:
			if step.IsIndex {
				return nil
			}
			value = container[step.Name]
		case attribute.List:
			if !step.IsIndex || step.Index >= len(container) {
				return nil
			}
			value = container[step.Index]
		default:
			return nil
		}
	}
	return value
}

// comparePaths orders paths step by step, indexes by number.
func comparePaths(a, b Path) int {
	return slices.CompareFunc(a, b, func(x, y Step) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.Name, y.Name))
	})
}

// checkDistinct refuses paths of which one contains another, or which disagree
// on whether something is a list or a map.
func checkDistinct(label string, paths []Path) error {
	for i, one := range paths {
		for _, two := range paths[i+1:] {
			relation := ""
			for at := 0; relation == ""; at++ {
				switch {
				case at == len(one) || at == len(two):
					relation = "overlap"
				case one[at].IsIndex != two[at].IsIndex:
					relation = "conflict"
				case one[at] != two[at]:
					relation = "distinct"
				}
			}
			if relation != "distinct" {
				return attribute.Invalidf("Invalid %s: Two document paths %s with each other; "+
					"must remove or rewrite one of these paths; path one: %s, path two: %s", label, relation, one, two)
			}
		}
	}
	return nil
}
