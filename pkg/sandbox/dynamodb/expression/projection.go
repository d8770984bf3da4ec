package expression

import (
	"maps"
	"slices"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Projection is a choice of parts of an item.
type Projection struct {
	Paths []Path
	tree  *branch
}

// branch is a node of the tree that the paths form. One without children
// stands for all that is there.
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

// Of is the chosen parts of the item; a nil projection chooses all. Elements of
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

// of is the chosen part of a value, nil if it has none.
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
