package cloudformation

import (
	"fmt"
	"regexp"
	"strings"
)

// Values are what references in a template stand for: a parameter or a resource by its
// name, an attribute as Resource.Attribute, AWS::Region and its like. Parameters that are
// not given have their defaults.
type Values map[string]string

// absent is what stands for no value at all.
type absent struct{}

// Resource says what a resource gets. Errors name a reference without a value, or
// something that this package does not know.
func (t *Template) Resource(name string, values Values) (Resource, error) {
	definition, ok := t.resources[name].(map[string]any)
	if !ok {
		return Resource{}, fmt.Errorf("the template has no resource %s", name)
	}
	kind, _ := definition["Type"].(string)
	resolved, err := resolver{t, values}.resolve(definition["Properties"])
	if err != nil {
		return Resource{}, fmt.Errorf("%s: %w", name, err)
	}
	properties, _ := resolved.(map[string]any)
	kept := definition["DeletionPolicy"] == "Retain" && definition["UpdateReplacePolicy"] == "Retain"
	return Resource{Type: kind, Properties: properties, Kept: kept}, nil
}

type resolver struct {
	template *Template
	values   Values
}

func (r resolver) resolve(value any) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 1 {
			for name, argument := range value {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return r.function(name, argument)
				}
			}
		}
		return r.mapping(value)
	case []any:
		return r.list(value)
	default:
		return value, nil
	}
}

func (r resolver) mapping(mapping map[string]any) (any, error) {
	resolved := map[string]any{}
	for key, value := range mapping {
		value, err := r.resolve(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if value != (absent{}) {
			resolved[key] = value
		}
	}
	return resolved, nil
}

func (r resolver) list(list []any) (any, error) {
	resolved := []any{}
	for _, value := range list {
		value, err := r.resolve(value)
		if err != nil {
			return nil, err
		}
		if value != (absent{}) {
			resolved = append(resolved, value)
		}
	}
	return resolved, nil
}

func (r resolver) function(name string, argument any) (any, error) {
	arguments, _ := argument.([]any)
	text, _ := argument.(string)
	switch {
	case name == "Ref" && text == "AWS::NoValue":
		return absent{}, nil
	case name == "Ref", name == "Fn::GetAtt" && text != "":
		return r.lookUp(text)
	case name == "Fn::Sub" && text != "":
		return r.substitute(text, nil)
	case name == "Fn::Sub" && len(arguments) == 2:
		more, err := r.resolve(arguments[1])
		if err != nil {
			return nil, err
		}
		text, _ := arguments[0].(string)
		locals, _ := more.(map[string]any)
		return r.substitute(text, locals)
	case name == "Fn::If" && len(arguments) == 3:
		condition, _ := arguments[0].(string)
		holds, err := r.holds(condition)
		if err != nil {
			return nil, err
		}
		if holds {
			return r.resolve(arguments[1])
		}
		return r.resolve(arguments[2])
	case name == "Fn::Equals" && len(arguments) == 2:
		both, err := r.list(arguments)
		if err != nil {
			return nil, err
		}
		sides, _ := both.([]any)
		return fmt.Sprint(sides[0]) == fmt.Sprint(sides[1]), nil
	case name == "Fn::Not" && len(arguments) == 1:
		holds, err := r.resolve(arguments[0])
		return holds == false, err
	default:
		return nil, fmt.Errorf("%s of %v is not known here", name, argument)
	}
}

func (r resolver) lookUp(name string) (string, error) {
	if value, ok := r.values[name]; ok {
		return value, nil
	}
	if parameter, ok := r.template.parameters[name].(map[string]any); ok {
		if value, ok := parameter["Default"]; ok {
			return fmt.Sprint(value), nil
		}
	}
	return "", fmt.Errorf("%s has no value", name)
}

func (r resolver) holds(condition string) (bool, error) {
	definition, ok := r.template.conditions[condition]
	if !ok {
		return false, fmt.Errorf("the template has no condition %s", condition)
	}
	holds, err := r.resolve(definition)
	return holds == true, err
}

var reference = regexp.MustCompile(`\$\{[^}]+\}`)

func (r resolver) substitute(text string, locals map[string]any) (result string, err error) {
	result = reference.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if local, ok := locals[name]; ok {
			return fmt.Sprint(local)
		}
		value, failed := r.lookUp(name)
		if failed != nil {
			err = failed
		}
		return value
	})
	return result, err
}
