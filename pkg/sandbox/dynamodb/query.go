package dynamodb

import (
	"fmt"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

type queryInput struct {
	pageInput
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

func (s *Service) query(input *queryInput, call awsjson.Call) (*pageOutput, error) {
	if err := input.refuse(); err != nil {
		return nil, err
	}
	if input.KeyConditionExpression == nil {
		return nil, attribute.Invalidf("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	placeholders, err := input.placeholders()
	if err != nil {
		return nil, err
	}
	condition, err := expression.ParseCondition(expression.KeyConditionExpression, *input.KeyConditionExpression, placeholders)
	if err != nil {
		return nil, err
	}
	p := &page{input: &input.pageInput, backward: input.ScanIndexForward != nil && !*input.ScanIndexForward}
	if err := p.parse(placeholders); err != nil {
		return nil, err
	}
	if err := placeholders.Unused(true, ""); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.resolve(s, call.Fault.Lag); err != nil {
		return nil, err
	}
	key, err := expression.NewKeyCondition(condition, p.schema().names())
	if err != nil {
		return nil, err
	}
	for _, a := range p.schema().attributes() {
		if p.filter != nil && expression.Mentions(p.filter, a.name) {
			return nil, attribute.Invalidf("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", a.name)
		}
	}
	if p.window, err = p.schema().window(key); err != nil {
		return nil, err
	}
	return p.read()
}

// window is the rows that a key condition asks for.
func (k keySchema) window(key *expression.KeyCondition) (window, error) {
	partition, err := k.partition.sortable(key.Partition)
	if err != nil || key.Sort == nil {
		return partitionWindow(partition), err
	}
	sorts := make([]string, len(key.Sort.Values))
	for i, value := range key.Sort.Values {
		if sorts[i], err = k.sort.sortable(value); err != nil {
			return window{}, err
		}
	}
	return sortWindow(partition, key.Sort.Operator, sorts), nil
}

// sortable is the sortable form of a value that the key attribute is compared with.
func (a keyAttribute) sortable(value attribute.Value) (string, error) {
	if value.Type() != a.typeName {
		return "", attribute.Invalidf("One or more parameter values were invalid: Condition parameter type does not match schema type")
	}
	if kind := emptyKind(value); kind != "" {
		return "", attribute.Invalidf("One or more parameter values are not valid. "+
			"The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kind, a.name)
	}
	key, _ := attribute.Sortable(value)
	return key, nil
}

type scanInput struct {
	pageInput
	Segment       *int
	TotalSegments *int
}

// maxSegments is how many parts a parallel scan may have.
const maxSegments = 1_000_000

// segment is the part of the table that a scan reads.
func (i *scanInput) segment() (window, error) {
	switch {
	case i.TotalSegments == nil && i.Segment == nil:
		return segmentWindow(0, 1), nil
	case i.TotalSegments == nil:
		return window{}, attribute.Invalidf("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case i.Segment == nil:
		return window{}, attribute.Invalidf("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *i.TotalSegments < 1:
		return window{}, constraint(fmt.Sprint(*i.TotalSegments), "totalSegments", "Member must have value greater than or equal to 1")
	case *i.TotalSegments > maxSegments:
		return window{}, constraint(fmt.Sprint(*i.TotalSegments), "totalSegments", "Member must have value less than or equal to 1000000")
	case *i.Segment < 0:
		return window{}, constraint(fmt.Sprint(*i.Segment), "segment", "Member must have value greater than or equal to 0")
	case *i.Segment >= *i.TotalSegments:
		return window{}, attribute.Invalidf("The Segment parameter is zero-based and must be less than parameter TotalSegments: "+
			"Segment: %d is not less than TotalSegments: %d", *i.Segment, *i.TotalSegments)
	}
	return segmentWindow(*i.Segment, *i.TotalSegments), nil
}

func (s *Service) scan(input *scanInput, call awsjson.Call) (*pageOutput, error) {
	if err := input.refuse(); err != nil {
		return nil, err
	}
	placeholders, err := input.placeholders()
	if err != nil {
		return nil, err
	}
	p := &page{input: &input.pageInput}
	if err := p.parse(placeholders); err != nil {
		return nil, err
	}
	if err := placeholders.Unused(p.filter != nil || p.projection != nil, "FilterExpression is null"); err != nil {
		return nil, err
	}
	if p.window, err = input.segment(); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.resolve(s, call.Fault.Lag); err != nil {
		return nil, err
	}
	return p.read()
}
