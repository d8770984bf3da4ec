package dynamodb

import (
	"slices"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingMode               string
	GlobalSecondaryIndexes    []indexDefinition
	LocalSecondaryIndexes     *unsupported
	DeletionProtectionEnabled bool
}

type changedTableOutput struct{ TableDescription *tableDescription }

func (s *Service) createTable(input *createTableInput, _ awsjson.Call) (*changedTableOutput, error) {
	if err := checkName(input.TableName, "tableName"); err != nil {
		return nil, err
	}
	t := &table{
		name: input.TableName, rows: newRows(), history: s.newHistory(),
		billingMode: input.BillingMode, deletionProtected: input.DeletionProtectionEnabled,
	}
	var err error
	if t.types, err = attributeTypes(input.AttributeDefinitions); err != nil {
		return nil, err
	}
	if t.schema, err = newKeySchema(input.KeySchema, t.types); err != nil {
		return nil, err
	}
	for _, definition := range input.GlobalSecondaryIndexes {
		if _, err := s.addIndex(t, definition); err != nil {
			return nil, err
		}
	}
	if err := t.checkDefinitions(); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	if _, taken := s.tables[t.name]; taken {
		return nil, failure("ResourceInUseException", "Table already exists: "+t.name)
	}
	t.created = now
	s.tables[t.name] = t

	description := s.describe(t, now)
	description.creating()
	return &changedTableOutput{description}, nil
}

// creating shows a table as AWS does in the answer that makes it, so that a
// caller that does not wait for ACTIVE is noticed.
func (d *tableDescription) creating() {
	d.TableStatus = statusCreating
	for i := range d.GlobalSecondaryIndexes {
		d.GlobalSecondaryIndexes[i].IndexStatus = statusCreating
	}
}

// tableInput is the input of all operations that take no more than a table.
type tableInput struct{ TableName string }

func (s *Service) deleteTable(input *tableInput, _ awsjson.Call) (*changedTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	if t.deletionProtected {
		return nil, attribute.Invalidf("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(s.tables, t.name)
	description := s.describe(t, s.config.Now())
	description.TableStatus = statusDeleting
	return &changedTableOutput{description}, nil
}

type updateTableInput struct {
	TableName                   string
	AttributeDefinitions        []attributeDefinition
	DeletionProtectionEnabled   *bool
	GlobalSecondaryIndexUpdates []indexUpdate

	BillingMode, ProvisionedThroughput *unsupported
}

type indexUpdate struct {
	Create *indexDefinition
	Delete *struct{ IndexName string }
}

// updateTable changes a copy of the table's description, which takes its place
// when every change is found good.
func (s *Service) updateTable(input *updateTableInput, _ awsjson.Call) (*changedTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	if len(input.GlobalSecondaryIndexUpdates) > 1 {
		return nil, failure("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	changed := *t
	changed.indexes = slices.Clone(t.indexes)
	if input.DeletionProtectionEnabled != nil {
		changed.deletionProtected = *input.DeletionProtectionEnabled
	}
	for _, update := range input.GlobalSecondaryIndexUpdates {
		if err := s.updateIndex(&changed, update, input.AttributeDefinitions); err != nil {
			return nil, err
		}
	}
	*t = changed
	description := s.describe(t, s.config.Now())
	description.TableStatus = "UPDATING"
	return &changedTableOutput{description}, nil
}

func (s *Service) updateIndex(t *table, update indexUpdate, definitions []attributeDefinition) error {
	switch {
	case update.Create != nil:
		return s.createIndex(t, *update.Create, definitions)
	case update.Delete != nil:
		at := slices.IndexFunc(t.indexes, func(i *index) bool { return i.name == update.Delete.IndexName })
		if at < 0 {
			return resourceNotFound()
		}
		t.indexes = slices.Delete(t.indexes, at, at+1)
		t.types = t.keyTypes()
		return nil
	}
	return attribute.Invalidf("One or more parameter values were invalid: an index can only be created or deleted")
}

// createIndex adds an index with the items of its table; definitions are those of its key at
// least.
func (s *Service) createIndex(t *table, definition indexDefinition, definitions []attributeDefinition) error {
	types, err := attributeTypes(definitions)
	if err != nil {
		return err
	}
	for name, typeName := range t.types {
		if given, ok := types[name]; ok && given != typeName {
			return attribute.Invalidf("One or more parameter values were invalid: The type of attribute %s cannot be changed", name)
		}
		types[name] = typeName
	}
	t.types = types
	added, err := s.addIndex(t, definition)
	if err != nil {
		return err
	}
	added.backfill(t.rows)
	return t.checkDefinitions()
}
