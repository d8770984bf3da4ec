package dynamodb

import (
	"errors"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// writeInput is the input of PutItem, UpdateItem and DeleteItem, and one action
// of TransactWriteItems.
type writeInput struct {
	placeholderMembers
	legacyMembers
	TableName                           string
	Item, Key                           attribute.Item
	ConditionExpression                 *string
	UpdateExpression                    *string
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
}

type writeOutput struct {
	Attributes attribute.Item `json:",omitempty"`
}

// writeKind is the kind of a write.
type writeKind int

const (
	put writeKind = iota
	update
	deletion
	check // of a condition only
)

// write is a parsed write, before its table is known.
type write struct {
	kind      writeKind
	input     *writeInput
	condition *expression.Condition
	update    expression.Update
}

func newWrite(kind writeKind, input *writeInput) (*write, error) {
	if kind != update && !slices.Contains([]string{"", "NONE", "ALL_OLD"}, input.ReturnValues) {
		return nil, attribute.Invalidf("ReturnValues can only be ALL_OLD or NONE")
	}
	placeholders, err := input.placeholders()
	if err != nil {
		return nil, err
	}
	w := &write{kind: kind, input: input}
	if input.UpdateExpression != nil && kind == update {
		if w.update, err = expression.ParseUpdate(*input.UpdateExpression, placeholders); err != nil {
			return nil, err
		}
	}
	if input.ConditionExpression != nil {
		w.condition, err = expression.ParseCondition(expression.ConditionExpression, *input.ConditionExpression, placeholders)
		if err != nil {
			return nil, err
		}
	}
	return w, placeholders.Unused(w.update != nil || w.condition != nil)
}

// plan is a valid write that was not made yet.
type plan struct {
	write    *write
	table    *table
	place    place
	old, new attribute.Item // nil: no item
}

// on finds the place of a write in its table.
func (w *write) on(t *table) (*plan, error) {
	p := &plan{write: w, table: t}
	var err error
	if w.kind == put {
		p.place, err = t.placeOf(w.input.Item)
	} else {
		p.place, err = t.primaryKey(w.input.Key)
	}
	if err != nil {
		return nil, err
	}
	p.old = itemAt(p.place, t.rows)
	p.new = p.old
	return p, nil
}

// prepare makes the new item and changes nothing. The error is
// errConditionFailed or a ValidationError.
func (p *plan) prepare() error {
	w := p.write
	if w.condition != nil && !w.condition.Holds(p.old) {
		return errConditionFailed
	}
	switch w.kind {
	case put:
		p.new = w.input.Item
	case deletion:
		p.new = nil
	case update:
		if err := p.update(); err != nil {
			return err
		}
	}
	if p.new == nil || w.kind == check {
		return nil
	}
	for _, index := range p.table.indexes {
		if err := index.check(p.new); err != nil {
			return err
		}
	}
	if p.new.Size() > maxItem {
		return attribute.Invalidf("Item size has exceeded the maximum allowed size")
	}
	return nil
}

func (p *plan) update() error {
	item := p.old
	if item == nil {
		item = p.write.input.Key
	}
	if p.write.update == nil {
		p.new = item
		return nil
	}
	for _, name := range p.write.update.Names() {
		if p.table.schema.has(name) {
			return attribute.Invalidf("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	var err error
	p.new, err = p.write.update.Apply(item)
	return err
}

func (p *plan) commit(now time.Time) {
	if p.write.kind == check || p.old == nil && p.new == nil {
		return
	}
	p.table.put(p.place, p.new, now)
}

func (p *plan) cost() float64 { return writeCost(p.old.Size(), p.new.Size()) }

// failedItem returns the old item, if the caller wants it when the condition fails.
func (p *plan) failedItem() attribute.Item {
	if p.write.input.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
		return p.old
	}
	return nil
}

// returned returns what the caller has asked for with ReturnValues.
func (p *plan) returned() attribute.Item {
	switch p.write.input.ReturnValues {
	case "ALL_OLD":
		return p.old
	case "ALL_NEW":
		return p.new
	case "UPDATED_OLD", "UPDATED_NEW":
		if p.write.update == nil {
			return nil
		}
		updated := expression.Projection(p.write.update.Names())
		if p.write.input.ReturnValues == "UPDATED_OLD" {
			return updated.Of(p.old)
		}
		return updated.Of(p.new)
	}
	return nil
}

// writeItem returns PutItem, UpdateItem or DeleteItem.
func (s *Service) writeItem(kind writeKind) func(*writeInput, awsjson.Call) (*writeOutput, error) {
	return func(input *writeInput, call awsjson.Call) (*writeOutput, error) {
		return s.makeWrite(kind, input, call)
	}
}

func (s *Service) makeWrite(kind writeKind, input *writeInput, call awsjson.Call) (*writeOutput, error) {
	w, err := newWrite(kind, input)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	p, err := w.on(t)
	if err != nil {
		return nil, err
	}
	if call.Fault.Kind == sandbox.Partial {
		return nil, failure("TransactionConflictException", conflictMessage) // a transaction holds the item
	}
	switch err := p.prepare(); {
	case errors.Is(err, errConditionFailed):
		return nil, conditionalCheckFailed(p.failedItem())
	case err != nil:
		return nil, err
	}
	if err := s.take(p, now); err != nil {
		return nil, err
	}
	p.commit(now)
	return &writeOutput{p.returned()}, nil
}

type getInput struct {
	legacyMembers
	TableName                string
	Key                      attribute.Item
	ConsistentRead           bool
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
}

type getOutput struct {
	Item *attribute.Item `json:",omitempty"`
}

func (s *Service) getItem(input *getInput, call awsjson.Call) (*getOutput, error) {
	placeholders, err := expression.NewPlaceholders(input.ExpressionAttributeNames, nil)
	if err != nil {
		return nil, err
	}
	var projection expression.Projection
	if input.ProjectionExpression != nil {
		if projection, err = expression.ParseProjection(*input.ProjectionExpression, placeholders); err != nil {
			return nil, err
		}
	}
	if err := placeholders.Unused(projection != nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	at, err := t.primaryKey(input.Key)
	if err != nil {
		return nil, err
	}
	item := itemAt(at, t.asOf(now, call.Fault.Lag, input.ConsistentRead))
	if item == nil {
		return &getOutput{}, nil
	}
	chosen := projection.Of(item) // may be empty, which differs from no item
	return &getOutput{&chosen}, nil
}
