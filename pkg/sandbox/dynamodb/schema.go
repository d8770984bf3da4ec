package dynamodb

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Limits of tables.
const (
	maxIndexes          = 20
	maxNonKeyAttributes = 100 // projected into all indexes of a table together
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
	Type             string   `json:"ProjectionType"`
	NonKeyAttributes []string `json:",omitempty"`
}

// throughput is what a table or index is provisioned for, zero on demand.
type throughput struct {
	ReadCapacityUnits  int64
	WriteCapacityUnits int64
}

// indexDefinition is how a global secondary index is to be made.
type indexDefinition struct {
	IndexName             string
	KeySchema             []keySchemaElement
	Projection            projection
	ProvisionedThroughput throughput
}

// billing is how a table is paid for.
type billing struct {
	mode       string
	throughput throughput
}

const (
	payPerRequest = "PAY_PER_REQUEST"
	provisioned   = "PROVISIONED"
)

func newBilling(mode string, asked throughput) (billing, error) {
	set := asked.ReadCapacityUnits > 0 && asked.WriteCapacityUnits > 0
	switch mode {
	case payPerRequest:
		if set {
			return billing{}, attribute.Invalidf("One or more parameter values were invalid: " +
				"Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
	case "", provisioned:
		mode = provisioned
		if !set {
			return billing{}, attribute.Invalidf("One or more parameter values were invalid: " +
				"ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
		}
	default:
		return billing{}, constraint(mode, "billingMode", "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]")
	}
	return billing{mode: mode, throughput: asked}, nil
}

func checkName(name, member string) error {
	if !namePattern.MatchString(name) {
		return constraint(name, member, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length between 3 and 255")
	}
	return nil
}

// attributeTypes are the types of key attributes by name.
func attributeTypes(definitions []attributeDefinition) (map[string]attribute.Type, error) {
	types := map[string]attribute.Type{}
	for _, definition := range definitions {
		switch definition.AttributeType {
		case attribute.TypeString, attribute.TypeNumber, attribute.TypeBinary:
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

// newKeySchema makes the key of a table or an index.
func newKeySchema(elements []keySchemaElement, types map[string]attribute.Type) (keySchema, error) {
	if len(elements) < 1 || len(elements) > 2 {
		return keySchema{}, constraint(fmt.Sprintf("[%d elements]", len(elements)), "keySchema", "Member must have length between 1 and 2")
	}
	if elements[0].KeyType != "HASH" {
		return keySchema{}, attribute.Invalidf("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	if len(elements) == 2 && elements[1].KeyType != "RANGE" {
		return keySchema{}, attribute.Invalidf("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	if len(elements) == 2 && elements[0].AttributeName == elements[1].AttributeName {
		return keySchema{}, attribute.Invalidf("Both the Hash Key and the Range Key element in the KeySchema have the same name")
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

// elements is the key as requests and answers tell it.
func (k keySchema) elements() []keySchemaElement {
	elements := []keySchemaElement{{AttributeName: k.partition.name, KeyType: "HASH"}}
	if k.sort.name != "" {
		elements = append(elements, keySchemaElement{AttributeName: k.sort.name, KeyType: "RANGE"})
	}
	return elements
}

// newIndex makes an empty index of a table.
func newIndex(definition indexDefinition, t *table) (*index, error) {
	if err := checkName(definition.IndexName, "globalSecondaryIndexes.member.indexName"); err != nil {
		return nil, err
	}
	schema, err := newKeySchema(definition.KeySchema, t.types)
	if err != nil {
		return nil, err
	}
	switch projection := definition.Projection; {
	case projection.Type != projectAll && projection.Type != "KEYS_ONLY" && projection.Type != "INCLUDE":
		return nil, attribute.Invalidf("One or more parameter values were invalid: Unknown ProjectionType: %s", projection.Type)
	case projection.Type == "INCLUDE" && len(projection.NonKeyAttributes) == 0:
		return nil, attribute.Invalidf("One or more parameter values were invalid: " +
			"ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case projection.Type != "INCLUDE" && len(projection.NonKeyAttributes) > 0:
		return nil, attribute.Invalidf("One or more parameter values were invalid: "+
			"ProjectionType is %s, but NonKeyAttributes is specified", projection.Type)
	}
	if t.billing.mode == payPerRequest && definition.ProvisionedThroughput != (throughput{}) {
		return nil, attribute.Invalidf("One or more parameter values were invalid: "+
			"ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", definition.IndexName)
	}
	return &index{
		name:       definition.IndexName,
		schema:     schema,
		projection: definition.Projection,
		table:      t.schema,
		rows:       newRows(),
		billing:    definition.ProvisionedThroughput,
	}, nil
}

// addIndex adds an index that agrees with the others.
func (t *table) addIndex(added *index) error {
	if _, taken := t.index(added.name); taken {
		return attribute.Invalidf("One or more parameter values were invalid: Duplicate index name: %s", added.name)
	}
	t.indexes = append(t.indexes, added)
	nonKey := 0
	for _, index := range t.indexes {
		nonKey += len(index.projection.NonKeyAttributes)
	}
	if len(t.indexes) > maxIndexes {
		return attribute.Invalidf("One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table limit of %d", maxIndexes)
	}
	if nonKey > maxNonKeyAttributes {
		return attribute.Invalidf("One or more parameter values were invalid: Number of projected attributes exceeds the limit of %d", maxNonKeyAttributes)
	}
	return nil
}

// checkDefinitions refuses definitions of attributes that are in no key.
func (t *table) checkDefinitions() error {
	used := map[string]bool{}
	for _, a := range t.schema.attributes() {
		used[a.name] = true
	}
	for _, index := range t.indexes {
		for _, a := range index.schema.attributes() {
			used[a.name] = true
		}
	}
	if len(used) != len(t.types) {
		return attribute.Invalidf("One or more parameter values were invalid: "+
			"Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]",
			strings.Join(slices.Sorted(maps.Keys(t.types)), ", "), strings.Join(slices.Sorted(maps.Keys(used)), ", "))
	}
	return nil
}
