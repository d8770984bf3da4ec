package expression

import (
	"slices"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Projection is a choice of attributes; nil chooses all.
type Projection []string

// ParseProjection reads a projection expression: names parted by commas.
func ParseProjection(source string, placeholders *Placeholders) (Projection, error) {
	p := newParser(ProjectionExpression, source, placeholders)
	names := Projection{p.name()}
	for p.accept(",") {
		names = append(names, p.name())
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return names, checkDistinct(ProjectionExpression, names)
}

// Of returns the chosen attributes of an item.
func (p Projection) Of(item attribute.Item) attribute.Item {
	if p == nil {
		return item
	}
	chosen := attribute.Item{}
	for _, name := range p {
		if value, ok := item[name]; ok {
			chosen[name] = value
		}
	}
	return chosen
}

// checkDistinct refuses a name that is given twice.
func checkDistinct(label string, names []string) error {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return attribute.Invalidf("Invalid %s: Two document paths overlap with each other; "+
				"must remove or rewrite one of these paths; path one: [%s], path two: [%s]", label, name, name)
		}
	}
	return nil
}
