// Package cloudformation resolves the properties of the resources in a CloudFormation template, for
// given parameters. It supports the intrinsic functions that this project's template uses.
package cloudformation

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is a parsed template, with intrinsic functions in their long form.
type Template struct {
	parameters, conditions, resources, outputs map[string]any
}

// Resource is a resource with resolved properties.
type Resource struct {
	Type       string
	Properties map[string]any
	Kept       bool // after it is removed from the template, or replaced
}

// Values are the values of references: of a parameter or a resource by its name, of an attribute as
// Resource.Attribute, and of pseudo parameters such as AWS::Region. Other parameters have their
// defaults.
type Values map[string]string

// Read reads a template.
func Read(file string) (*Template, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the path is the caller's
	if err != nil {
		return nil, err
	}
	return Parse(content)
}

// Parse parses a template.
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

// decode converts a node. A tag such as !Sub becomes an intrinsic function in its long form.
func decode(node *yaml.Node) (any, error) {
	function, tagged := strings.CutPrefix(node.Tag, "!")
	tagged = tagged && function != "" && function[0] != '!'
	var value any
	switch {
	case node.Kind == yaml.DocumentNode:
		return decode(node.Content[0])
	case node.Kind == yaml.MappingNode:
		mapping := map[string]any{}
		for pair := range slices.Chunk(node.Content, 2) {
			member, err := decode(pair[1])
			if err != nil {
				return nil, err
			}
			mapping[pair[0].Value] = member
		}
		value = mapping
	case node.Kind == yaml.SequenceNode:
		list := []any{}
		for _, entry := range node.Content {
			member, err := decode(entry)
			if err != nil {
				return nil, err
			}
			list = append(list, member)
		}
		value = list
	case tagged:
		value = node.Value
	default:
		if err := node.Decode(&value); err != nil {
			return nil, fmt.Errorf("template, line %d: %w", node.Line, err)
		}
	}
	switch {
	case !tagged:
		return value, nil
	case function == "Ref" || function == "Condition":
		return map[string]any{function: value}, nil
	default:
		return map[string]any{"Fn::" + function: value}, nil
	}
}

// Names returns the logical ids of the resources, sorted.
func (t *Template) Names() []string { return slices.Sorted(maps.Keys(t.resources)) }

// Outputs returns the names of the outputs, sorted.
func (t *Template) Outputs() []string { return slices.Sorted(maps.Keys(t.outputs)) }

// Resource resolves a resource. It returns an error for a reference without a value, and for a
// function that this package does not support.
func (t *Template) Resource(name string, values Values) (Resource, error) {
	definition, ok := t.resources[name].(map[string]any)
	if !ok {
		return Resource{}, fmt.Errorf("the template has no resource %s", name)
	}
	r := &resolver{template: t, values: values}
	properties, _ := r.resolve(definition["Properties"]).(map[string]any)
	if r.err != nil {
		return Resource{}, fmt.Errorf("%s: %w", name, r.err)
	}
	kind, _ := definition["Type"].(string)
	kept := definition["DeletionPolicy"] == "Retain" && definition["UpdateReplacePolicy"] == "Retain"
	return Resource{Type: kind, Properties: properties, Kept: kept}, nil
}

// noValue is AWS::NoValue: its member of a mapping or list is left out.
type noValue struct{}

// resolver resolves values, and keeps the first error.
type resolver struct {
	template *Template
	values   Values
	err      error
}

func (r *resolver) fail(format string, args ...any) any {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	return nil
}

func (r *resolver) resolve(value any) any {
	switch value := value.(type) {
	case map[string]any:
		resolved := map[string]any{}
		for key, member := range value {
			if len(value) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::")) {
				return r.call(key, member)
			}
			if member = r.resolve(member); member != (noValue{}) {
				resolved[key] = member
			}
		}
		return resolved
	case []any:
		resolved := []any{}
		for _, member := range value {
			if member = r.resolve(member); member != (noValue{}) {
				resolved = append(resolved, member)
			}
		}
		return resolved
	default:
		return value
	}
}

// call calls an intrinsic function.
func (r *resolver) call(function string, argument any) any {
	args, _ := argument.([]any)
	text, _ := argument.(string)
	switch {
	case function == "Ref" && text == "AWS::NoValue":
		return noValue{}
	case function == "Ref", function == "Fn::GetAtt" && text != "":
		return r.lookUp(text)
	case function == "Fn::Sub" && text != "":
		return r.substitute(text, nil)
	case function == "Fn::Sub" && len(args) == 2:
		locals, _ := r.resolve(args[1]).(map[string]any)
		return r.substitute(fmt.Sprint(args[0]), locals)
	case function == "Fn::If" && len(args) == 3:
		condition, ok := r.template.conditions[fmt.Sprint(args[0])]
		if !ok {
			return r.fail("the template has no condition %s", args[0])
		}
		if r.resolve(condition) == true {
			return r.resolve(args[1])
		}
		return r.resolve(args[2])
	case function == "Fn::Equals" && len(args) == 2:
		return fmt.Sprint(r.resolve(args[0])) == fmt.Sprint(r.resolve(args[1]))
	case function == "Fn::Not" && len(args) == 1:
		return r.resolve(args[0]) == false
	default:
		return r.fail("unknown function %s of %v", function, argument)
	}
}

func (r *resolver) lookUp(name string) any {
	if value, ok := r.values[name]; ok {
		return value
	}
	if parameter, ok := r.template.parameters[name].(map[string]any); ok && parameter["Default"] != nil {
		return fmt.Sprint(parameter["Default"])
	}
	return r.fail("%s has no value", name)
}

var reference = regexp.MustCompile(`\$\{[^}]+\}`)

func (r *resolver) substitute(text string, locals map[string]any) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if local, ok := locals[name]; ok {
			return fmt.Sprint(local)
		}
		return fmt.Sprint(r.lookUp(name))
	})
}
