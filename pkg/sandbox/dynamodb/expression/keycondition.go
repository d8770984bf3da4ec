package expression

import "github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"

// KeyCondition is the part of a table or an index that a query reads.
type KeyCondition struct {
	Partition attribute.Value
	Sort      *SortCondition // nil: the whole partition
}

// SortCondition is a range of sort keys.
type SortCondition struct {
	Operator string // = < <= > >= BETWEEN begins_with
	Values   []attribute.Value
}

// KeyCondition returns the key condition of a query on a key with these names; sort is empty
// when there is no sort key. It must be equality of the partition key and at most one
// condition on the sort key.
func (c *Condition) KeyCondition(partition, sort string) (*KeyCondition, error) {
	byName := map[string]SortCondition{}
	if err := c.collectKeys(byName); err != nil {
		return nil, err
	}
	equality, ok := byName[partition]
	delete(byName, partition)
	switch {
	case !ok:
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", partition)
	case equality.Operator != "=":
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key := &KeyCondition{Partition: equality.Values[0]}
	if len(byName) == 0 {
		return key, nil
	}
	found, ok := byName[sort]
	switch {
	case !ok && sort != "":
		return nil, attribute.Invalidf("Query condition missed key schema element: %s", sort)
	case !ok || len(byName) > 1:
		return nil, attribute.Invalidf("Query key condition not supported")
	}
	key.Sort = &found
	return key, nil
}

// collectKeys collects the conditions of an AND by attribute.
func (c *Condition) collectKeys(byName map[string]SortCondition) error {
	switch c.operator {
	case "(", "AND":
		for _, inner := range c.inner {
			if err := inner.collectKeys(byName); err != nil {
				return err
			}
		}
		return nil
	case "=", "<", "<=", ">", ">=", "BETWEEN", "begins_with":
	default:
		return attribute.Invalidf("Invalid operator used in KeyConditionExpression: %s", c.operator)
	}
	key := c.operands[0].name
	if key == "" {
		return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", c.operator)
	}
	if _, twice := byName[key]; twice {
		return attribute.Invalidf("KeyConditionExpressions must only contain one condition per key")
	}
	found := SortCondition{Operator: c.operator}
	for _, operand := range c.operands[1:] {
		if operand.name != "" {
			return attribute.Invalidf("Invalid condition in KeyConditionExpression: %s operator must compare the key attribute with values", c.operator)
		}
		found.Values = append(found.Values, operand.value)
	}
	byName[key] = found
	return nil
}
