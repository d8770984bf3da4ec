package expression

import (
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// KeyCondition is what a query asks of a table's or an index's key.
type KeyCondition struct {
	Partition attribute.Value
	Sort      *SortCondition // nil: the whole partition
}

// SortCondition is a range of sort keys.
type SortCondition struct {
	Operator string // = < <= > >= BETWEEN begins_with
	Values   []attribute.Value
}

// KeySchema names the key attributes; Sort is empty when there is no sort key.
type KeySchema struct{ Partition, Sort string }

// NewKeyCondition reads a parsed key condition expression in the light of a
// key: equality of the partition key and at most one condition on the sort key.
func NewKeyCondition(condition Condition, schema KeySchema) (*KeyCondition, error) {
	byName := map[string]SortCondition{}
	if err := collectKeys(condition, byName); err != nil {
		return nil, err
	}
	partition, ok := byName[schema.Partition]
	if !ok {
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", schema.Partition)
	}
	if partition.Operator != "=" {
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key := &KeyCondition{Partition: partition.Values[0]}
	delete(byName, schema.Partition)
	if len(byName) == 0 {
		return key, nil
	}
	sort, ok := byName[schema.Sort]
	if !ok && schema.Sort != "" {
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", schema.Sort)
	}
	if !ok || len(byName) > 1 {
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key.Sort = &sort
	return key, nil
}

// collectKeys gathers the conditions on each attribute of an AND.
func collectKeys(condition Condition, byName map[string]SortCondition) error {
	var left Operand
	var found SortCondition
	var values []Operand
	switch c := condition.(type) {
	case Group:
		return collectKeys(c.Inner, byName)
	case And:
		if err := collectKeys(c.Left, byName); err != nil {
			return err
		}
		return collectKeys(c.Right, byName)
	case Or:
		return invalidKeyOperator("OR")
	case Not:
		if _, ok := c.Inner.(Exists); ok {
			return invalidKeyOperator("attribute_not_exists")
		}
		return invalidKeyOperator("NOT")
	case In:
		return invalidKeyOperator("IN")
	case Exists:
		return invalidKeyOperator("attribute_exists")
	case HasType:
		return invalidKeyOperator("attribute_type")
	case Contains:
		return invalidKeyOperator("contains")
	case Comparison:
		if c.Operator == "<>" {
			return invalidKeyOperator("<>")
		}
		left, found.Operator, values = c.Left, c.Operator, []Operand{c.Right}
	case Between:
		left, found.Operator, values = c.Operand, "BETWEEN", []Operand{c.Low, c.High}
	case BeginsWith:
		left, found.Operator, values = c.Operand, "begins_with", []Operand{c.Prefix}
	}
	path, ok := left.(Path)
	if !ok {
		return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", found.Operator)
	}
	if len(path) > 1 {
		return attribute.Invalidf("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
	}
	for _, value := range values {
		literal, ok := value.(Literal)
		if !ok {
			return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must compare the key attribute with values", found.Operator)
		}
		found.Values = append(found.Values, literal.Value)
	}
	if _, twice := byName[path[0].Name]; twice {
		return attribute.Invalidf("KeyConditionExpressions must only contain one condition per key")
	}
	byName[path[0].Name] = found
	return nil
}

func invalidKeyOperator(operator string) error {
	return attribute.Invalidf("Invalid operator used in KeyConditionExpression: %s", operator)
}
