package main

import "strings"

// definitions are the schemas of an OpenAPI document that others refer to, by name.
type definitions map[string]map[string]any

// kept are the keywords of OpenAPI that say what is valid and mean the same in JSON schema.
var kept = []string{
	"type", "required", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern",
	"items", "properties", "additionalProperties", "oneOf", "anyOf", "allOf", "not",
}

// strict returns the schema as JSON schema that refuses fields it does not know, with all
// references resolved and without descriptions.
func (d definitions) strict(schema map[string]any) map[string]any {
	return d.convert(schema, true)
}

// convert is strict; whole is false below oneOf and its like, which name a part of the fields
// only.
func (d definitions) convert(schema map[string]any, whole bool) map[string]any {
	if reference, ok := schema["$ref"].(string); ok {
		if strings.HasSuffix(reference, ".resource.Quantity") { // as the API server reads it
			return map[string]any{"type": []string{"string", "number"}}
		}
		return d.convert(d[strings.TrimPrefix(reference, "#/definitions/")], whole)
	}
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		return map[string]any{"type": []string{"string", "integer"}}
	}
	result := map[string]any{}
	for _, keyword := range kept {
		if value, ok := schema[keyword]; ok {
			result[keyword] = d.keyword(keyword, value, whole)
		}
	}
	_, open := result["additionalProperties"]
	if result["properties"] != nil && !open && whole && schema["x-kubernetes-preserve-unknown-fields"] != true {
		result["additionalProperties"] = false
	}
	return result
}

// keyword converts the value of one keyword.
func (d definitions) keyword(keyword string, value any, whole bool) any {
	switch keyword {
	case "properties":
		properties := map[string]any{}
		for name, property := range value.(map[string]any) {
			properties[name] = d.convert(property.(map[string]any), whole)
		}
		return properties
	case "items", "additionalProperties", "not":
		if schema, ok := value.(map[string]any); ok {
			return d.convert(schema, whole && keyword != "not")
		}
	case "oneOf", "anyOf", "allOf":
		var schemas []any
		for _, schema := range value.([]any) {
			schemas = append(schemas, d.convert(schema.(map[string]any), false))
		}
		return schemas
	}
	return value
}
