// Package cloudformation says what comes out of a CloudFormation template, as far as this
// project's own goes: which properties its resources get, for given parameters.
package cloudformation

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Template is a template as it is written, with intrinsic functions in their long form.
type Template struct {
	parameters map[string]any
	conditions map[string]any
	resources  map[string]any
	outputs    map[string]any
}

// Resource is a resource with its properties: maps, lists, strings, numbers and booleans.
type Resource struct {
	Type       string
	Properties map[string]any
	Kept       bool // when it is taken out of the template, or replaced
}

// Read reads a template.
func Read(file string) (*Template, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the caller's own template
	if err != nil {
		return nil, err
	}
	return Parse(content)
}

// Parse reads the text of a template.
func Parse(content []byte) (*Template, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	value, err := decode(&document)
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("template: it is a %T, not a mapping", value)
	}
	section := func(name string) map[string]any {
		found, _ := root[name].(map[string]any)
		return found
	}
	return &Template{section("Parameters"), section("Conditions"), section("Resources"), section("Outputs")}, nil
}

// decode makes values of nodes. Tags become intrinsic functions in their long form.
func decode(node *yaml.Node) (any, error) {
	value, err := untagged(node)
	if err != nil || len(node.Tag) < 2 || node.Tag[1] == '!' {
		return value, err
	}
	switch name := node.Tag[1:]; name {
	case "Ref", "Condition":
		return map[string]any{name: value}, nil
	default:
		return map[string]any{"Fn::" + name: value}, nil
	}
}

func untagged(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.DocumentNode:
		return decode(node.Content[0])
	case yaml.MappingNode:
		mapping := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			value, err := decode(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			mapping[node.Content[i].Value] = value
		}
		return mapping, nil
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, entry := range node.Content {
			value, err := decode(entry)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	default:
		if len(node.Tag) > 1 && node.Tag[1] != '!' {
			return node.Value, nil
		}
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, fmt.Errorf("template, line %d: %w", node.Line, err)
		}
		return value, nil
	}
}

// Names are the logical ids of the resources, sorted.
func (t *Template) Names() []string { return slices.Sorted(maps.Keys(t.resources)) }

// Outputs are the names of the outputs, sorted.
func (t *Template) Outputs() []string { return slices.Sorted(maps.Keys(t.outputs)) }
