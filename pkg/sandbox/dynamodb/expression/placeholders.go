package expression

import (
	"maps"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Placeholders are what #names and :values of a request's expressions stand
// for. They remember which of them were used.
type Placeholders struct {
	names  map[string]string
	values attribute.Item
	used   map[string]bool
}

// NewPlaceholders checks the form of the placeholders; nil maps mean that the
// request has none.
func NewPlaceholders(names map[string]string, values attribute.Item) (*Placeholders, error) {
	if err := checkKeys("ExpressionAttributeNames", '#', names); err != nil {
		return nil, err
	}
	if err := checkKeys("ExpressionAttributeValues", ':', values); err != nil {
		return nil, err
	}
	return &Placeholders{names: names, values: values, used: map[string]bool{}}, nil
}

func checkKeys[V any](member string, sign byte, placeholders map[string]V) error {
	if placeholders != nil && len(placeholders) == 0 {
		return attribute.Invalidf("%s must not be empty", member)
	}
	for _, key := range slices.Sorted(maps.Keys(placeholders)) {
		if tokens := lex(key); len(tokens) != 2 || tokens[0].kind != placeholder || key[0] != sign || tokens[0].text != key {
			return attribute.Invalidf("%s contains invalid key: Syntax error; key: %q", member, key)
		}
	}
	return nil
}

// Unused returns the error for placeholders that no expression has used; parsed reports
// whether there was one.
func (p *Placeholders) Unused(parsed bool) error {
	if !parsed && p.names != nil {
		return attribute.Invalidf("ExpressionAttributeNames can only be specified when using expressions")
	}
	if !parsed && p.values != nil {
		return attribute.Invalidf("ExpressionAttributeValues can only be specified when using expressions")
	}
	if unused := unusedKeys(p.values, p.used); unused != "" {
		return attribute.Invalidf("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", unused)
	}
	if unused := unusedKeys(p.names, p.used); unused != "" {
		return attribute.Invalidf("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", unused)
	}
	return nil
}

func unusedKeys[V any](placeholders map[string]V, used map[string]bool) string {
	var unused []string
	for key := range placeholders {
		if !used[key] {
			unused = append(unused, key)
		}
	}
	slices.Sort(unused)
	return strings.Join(unused, ", ")
}
