package expression

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

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

// find looks the path up in an item.
func (p Path) find(item attribute.Item) (attribute.Value, bool) {
	value, ok := item[p[0].Name]
	for _, step := range p[1:] {
		if !ok {
			return nil, false
		}
		switch container := value.(type) {
		case attribute.Map:
			value, ok = container[step.Name]
			ok = ok && !step.IsIndex
		case attribute.List:
			ok = step.IsIndex && step.Index < len(container)
			if ok {
				value = container[step.Index]
			}
		default:
			return nil, false
		}
	}
	return value, ok
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
