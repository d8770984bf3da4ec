package dynamodb

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// placeholderMembers are the members of a request that its expressions refer to.
type placeholderMembers struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues attribute.Item
}

func (m placeholderMembers) placeholders() (*expression.Placeholders, error) {
	return expression.NewPlaceholders(m.ExpressionAttributeNames, m.ExpressionAttributeValues)
}

// legacyMembers are the parameters from before there were expressions. They are
// refused, because to ignore them would change what a request means.
type legacyMembers struct {
	AttributeUpdates, AttributesToGet, ConditionalOperator, Expected json.RawMessage
	KeyConditions, QueryFilter, ScanFilter                           json.RawMessage
}

func (m legacyMembers) refuse() error {
	for _, member := range []struct {
		name  string
		value json.RawMessage
	}{
		{"AttributeUpdates", m.AttributeUpdates},
		{"AttributesToGet", m.AttributesToGet},
		{"ConditionalOperator", m.ConditionalOperator},
		{"Expected", m.Expected},
		{"KeyConditions", m.KeyConditions},
		{"QueryFilter", m.QueryFilter},
		{"ScanFilter", m.ScanFilter},
	} {
		if member.value != nil && string(member.value) != "null" {
			return attribute.Invalidf("The legacy parameter %s is not supported here: use an expression", member.name)
		}
	}
	return nil
}

// table finds a table that can be used, by name or ARN.
func (s *Service) table(name string, now time.Time) (*table, error) {
	t, ok := s.tables[tableName(name)]
	if !ok || t.usable.After(now) {
		return nil, resourceNotFound("Requested resource not found")
	}
	return t, nil
}

// tableName takes the name out of an ARN; a name is itself.
func tableName(nameOrARN string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":table/"); ok && strings.HasPrefix(nameOrARN, "arn:") {
		return name
	}
	return nameOrARN
}

// constraint is the error for a member outside its bounds.
func constraint(value, member, rule string) error {
	return attribute.Invalidf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, rule)
}
