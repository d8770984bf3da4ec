package dynamodb

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

type attributeDefinition struct {
	AttributeName string
	AttributeType attribute.Type
}

type keySchemaElement struct {
	AttributeName string
	KeyType       string
}

type projection struct {
	Type             string       `json:"ProjectionType"`
	NonKeyAttributes *unsupported `json:",omitempty"` // of the type INCLUDE
}

// indexDefinition defines a global secondary index.
type indexDefinition struct {
	IndexName  string
	KeySchema  []keySchemaElement
	Projection projection
}

func checkName(name, member string) error {
	if !namePattern.MatchString(name) {
		return constraint(name, member, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length between 3 and 255")
	}
	return nil
}

// attributeTypes returns the types of key attributes by name.
func attributeTypes(definitions []attributeDefinition) (map[string]attribute.Type, error) {
	types := map[string]attribute.Type{}
	for _, definition := range definitions {
		switch definition.AttributeType {
		case attribute.TypeString, attribute.TypeNumber:
		case attribute.TypeBinary:
			return nil, attribute.Invalidf("The fake does not support binary keys")
		default:
			return nil, constraint(string(definition.AttributeType), "attributeDefinitions.member.attributeType",
				"Member must satisfy enum value set: [B, N, S]")
		}
		if _, twice := types[definition.AttributeName]; twice {
			return nil, attribute.Invalidf("Cannot have two attributes with the same name")
		}
		types[definition.AttributeName] = definition.AttributeType
	}
	return types, nil
}

// newKeySchema returns the key of a table or an index.
func newKeySchema(elements []keySchemaElement, types map[string]attribute.Type) (keySchema, error) {
	if len(elements) < 1 || len(elements) > 2 {
		return keySchema{}, constraint(fmt.Sprintf("[%d elements]", len(elements)), "keySchema", "Member must have length between 1 and 2")
	}
	if elements[0].KeyType != "HASH" || len(elements) == 2 && elements[1].KeyType != "RANGE" {
		return keySchema{}, attribute.Invalidf("Invalid KeySchema: The key is a HASH key type, and optionally a RANGE key type")
	}
	keys := make([]keyAttribute, 2)
	for i, element := range elements {
		typeName, ok := types[element.AttributeName]
		if !ok {
			return keySchema{}, attribute.Invalidf("One or more parameter values were invalid: "+
				"Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				element.AttributeName, strings.Join(slices.Sorted(maps.Keys(types)), ", "))
		}
		keys[i] = keyAttribute{name: element.AttributeName, typeName: typeName}
	}
	return keySchema{partition: keys[0], sort: keys[1]}, nil
}

// elements returns the key in the form of requests and responses.
func (k keySchema) elements() []keySchemaElement {
	elements := []keySchemaElement{{AttributeName: k.partition.name, KeyType: "HASH"}}
	if k.sort.name != "" {
		elements = append(elements, keySchemaElement{AttributeName: k.sort.name, KeyType: "RANGE"})
	}
	return elements
}

// addIndex adds an empty index to a table.
func (s *Service) addIndex(t *table, definition indexDefinition) (*index, error) {
	if err := checkName(definition.IndexName, "globalSecondaryIndexes.member.indexName"); err != nil {
		return nil, err
	}
	if _, taken := t.index(definition.IndexName); taken {
		return nil, attribute.Invalidf("One or more parameter values were invalid: Duplicate index name: %s", definition.IndexName)
	}
	schema, err := newKeySchema(definition.KeySchema, t.types)
	if err != nil {
		return nil, err
	}
	added := &index{
		name:       definition.IndexName,
		schema:     schema,
		projection: definition.Projection,
		table:      t.schema,
		rows:       newRows(),
		lag:        s.config.IndexLag,
		history:    s.newHistory(),
	}
	t.indexes = append(t.indexes, added)
	return added, nil
}

// keyTypes returns the types of the attributes that are in a key.
func (t *table) keyTypes() map[string]attribute.Type {
	keys := t.schema.attributes()
	for _, index := range t.indexes {
		keys = append(keys, index.schema.attributes()...)
	}
	types := map[string]attribute.Type{}
	for _, key := range keys {
		types[key.name] = key.typeName
	}
	return types
}

// checkDefinitions refuses definitions of attributes that are in no key.
func (t *table) checkDefinitions() error {
	if len(t.keyTypes()) != len(t.types) {
		return attribute.Invalidf("One or more parameter values were invalid: Some AttributeDefinitions are not used. AttributeDefinitions: [%s]",
			strings.Join(slices.Sorted(maps.Keys(t.types)), ", "))
	}
	return nil
}
