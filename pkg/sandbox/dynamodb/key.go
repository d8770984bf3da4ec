package dynamodb

import (
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// keyAttribute is an attribute that is part of a key; no name means none.
type keyAttribute struct {
	name     string
	typeName attribute.Type
}

// keySchema is the key of a table or an index.
type keySchema struct{ partition, sort keyAttribute }

func (k keySchema) names() expression.KeySchema {
	return expression.KeySchema{Partition: k.partition.name, Sort: k.sort.name}
}

func (k keySchema) attributes() []keyAttribute {
	if k.sort.name == "" {
		return []keyAttribute{k.partition}
	}
	return []keyAttribute{k.partition, k.sort}
}

func (k keySchema) has(name string) bool {
	return name == k.partition.name || name == k.sort.name
}

// place is where an item stands; it is not ok if the item lacks a key attribute
// or has one of another type.
func (k keySchema) place(item attribute.Item) (at place, ok bool) {
	partition, ok := k.partition.of(item)
	if !ok {
		return place{}, false
	}
	sort := ""
	if k.sort.name != "" {
		if sort, ok = k.sort.of(item); !ok {
			return place{}, false
		}
	}
	return newPlace(partition, sort), true
}

// of is the sortable form of the attribute of an item.
func (a keyAttribute) of(item attribute.Item) (string, bool) {
	value, ok := item[a.name]
	if !ok || value.Type() != a.typeName {
		return "", false
	}
	return attribute.Sortable(value)
}

// check refuses empty and oversized values of a table's key.
func (k keySchema) check(item attribute.Item) error {
	for _, a := range k.attributes() {
		if kind := emptyKind(item[a.name]); kind != "" {
			return attribute.Invalidf("One or more parameter values are not valid. "+
				"The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kind, a.name)
		}
	}
	return k.checkSize(item)
}

func (k keySchema) checkSize(item attribute.Item) error {
	if value, ok := item[k.partition.name]; ok && value.Size() > maxPartitionKey {
		return attribute.Invalidf("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of%d bytes", maxPartitionKey)
	}
	if value, ok := item[k.sort.name]; ok && value.Size() > maxSortKey {
		return attribute.Invalidf("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of %d bytes", maxSortKey)
	}
	return nil
}

// emptyKind names the type of a string or binary without content.
func emptyKind(value attribute.Value) string {
	switch value := value.(type) {
	case attribute.String:
		if value == "" {
			return "string"
		}
	case attribute.Binary:
		if len(value) == 0 {
			return "binary"
		}
	}
	return ""
}
