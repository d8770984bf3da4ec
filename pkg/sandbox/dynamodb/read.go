package dynamodb

import (
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// getInput is the input of GetItem and one action of TransactGetItems.
type getInput struct {
	legacyMembers
	TableName                string
	Key                      attribute.Item
	ConsistentRead           bool
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
	ReturnConsumedCapacity   string
}

type getOutput struct {
	Item             *attribute.Item   `json:",omitempty"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

// parseProjection reads the only expression of a request.
func parseProjection(source *string, names map[string]string) (*expression.Projection, error) {
	placeholders, err := expression.NewPlaceholders(names, nil)
	if err != nil {
		return nil, err
	}
	var projection *expression.Projection
	if source != nil {
		if projection, err = expression.ParseProjection(*source, placeholders); err != nil {
			return nil, err
		}
	}
	return projection, placeholders.Unused(projection != nil, "")
}

func (s *Service) getItem(input *getInput, call awsjson.Call) (*getOutput, error) {
	if err := input.refuse(); err != nil {
		return nil, err
	}
	projection, err := parseProjection(input.ProjectionExpression, input.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, err := s.table(input.TableName, now)
	if err != nil {
		return nil, err
	}
	at, err := t.primaryKey(input.Key)
	if err != nil {
		return nil, err
	}
	item := itemAt(at, t.asOf(now, call.Fault.Lag, input.ConsistentRead))
	return &getOutput{
		Item:             projectedOrNone(projection, item),
		ConsumedCapacity: consumed(input.ReturnConsumedCapacity, t.name, readCost(item.Size(), input.ConsistentRead)),
	}, nil
}

// projectedOrNone tells an item without any of the chosen attributes, which is
// empty, from no item, which is nil.
func projectedOrNone(projection *expression.Projection, item attribute.Item) *attribute.Item {
	if item == nil {
		return nil
	}
	chosen := projection.Of(item)
	return &chosen
}
