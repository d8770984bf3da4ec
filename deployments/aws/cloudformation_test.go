package aws_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// stackTemplate is a parsed CloudFormation template, with intrinsic functions in their long form. It resolves the
// properties of resources for given parameters, with the intrinsic functions that billable.yaml uses.
type stackTemplate struct {
	parameters, conditions, resources map[string]any
}

// stackResource is a resource with resolved properties.
type stackResource struct {
	kind       string
	properties map[string]any
	kept       bool // after it is removed from the template, or replaced
}

// references are the values of references: of a parameter or a resource by its name, of an attribute as
// Resource.Attribute, and of pseudo parameters such as AWS::Region. Other parameters have their
// defaults.
type references map[string]string

// parseTemplate parses a template.
func parseTemplate(content []byte) (*stackTemplate, error) {
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
	return &stackTemplate{section("Parameters"), section("Conditions"), section("Resources")}, nil
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

// names returns the logical ids of the resources, sorted.
func (t *stackTemplate) names() []string { return slices.Sorted(maps.Keys(t.resources)) }

// resource resolves a resource. It returns an error for a reference without a value, and for a
// function that this package does not support.
func (t *stackTemplate) resource(name string, values references) (stackResource, error) {
	definition, ok := t.resources[name].(map[string]any)
	if !ok {
		return stackResource{}, fmt.Errorf("the template has no resource %s", name)
	}
	r := &resolver{template: t, values: values}
	properties, _ := r.resolve(definition["Properties"]).(map[string]any)
	if r.err != nil {
		return stackResource{}, fmt.Errorf("%s: %w", name, r.err)
	}
	kind, _ := definition["Type"].(string)
	kept := definition["DeletionPolicy"] == "Retain" && definition["UpdateReplacePolicy"] == "Retain"
	return stackResource{kind: kind, properties: properties, kept: kept}, nil
}

// noValue is AWS::NoValue: its member of a mapping or list is left out.
type noValue struct{}

// resolver resolves values, and keeps the first error.
type resolver struct {
	template *stackTemplate
	values   references
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
