package dynamodb

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingMode               string
	ProvisionedThroughput     throughput
	GlobalSecondaryIndexes    []indexDefinition
	LocalSecondaryIndexes     []indexDefinition
	DeletionProtectionEnabled bool
}

type changedTableOutput struct{ TableDescription *tableDescription }

func (s *Service) createTable(input *createTableInput, _ awsjson.Call) (*changedTableOutput, error) {
	if err := checkName(input.TableName, "tableName"); err != nil {
		return nil, err
	}
	if len(input.LocalSecondaryIndexes) > 0 {
		return nil, attribute.Invalidf("Local secondary indexes are not supported here")
	}
	t := &table{
		name: input.TableName, rows: newRows(), history: s.newHistory(), deletionProtected: input.DeletionProtectionEnabled,
	}
	var err error
	if t.types, err = attributeTypes(input.AttributeDefinitions); err != nil {
		return nil, err
	}
	if t.schema, err = newKeySchema(input.KeySchema, t.types); err != nil {
		return nil, err
	}
	if t.billing, err = newBilling(input.BillingMode, input.ProvisionedThroughput); err != nil {
		return nil, err
	}
	for _, definition := range input.GlobalSecondaryIndexes {
		added, err := newIndex(definition, t)
		if err != nil {
			return nil, err
		}
		added.lag, added.history = s.config.IndexLag, s.newHistory()
		if err := t.addIndex(added); err != nil {
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
		return nil, resourceInUse("Table already exists: " + t.name)
	}
	t.created = now
	t.usable = now.Add(s.config.Creation)
	for _, index := range t.indexes {
		index.usable = t.usable
	}
	t.id = idOf(t.name, now)
	s.tables[t.name] = t

	description := s.describe(t, now)
	description.creating()
	return &changedTableOutput{description}, nil
}

// creating shows a table as AWS does in the answer that makes it, so that a
// caller who does not wait for ACTIVE can be told from one who does.
func (d *tableDescription) creating() {
	d.TableStatus = statusCreating
	for i := range d.GlobalSecondaryIndexes {
		d.GlobalSecondaryIndexes[i].IndexStatus = statusCreating
	}
}

// idOf is a table's id: a UUID that the same run always gives.
func idOf(name string, now time.Time) string {
	sum := sha256.Sum256([]byte(name + now.UTC().Format(time.RFC3339Nano)))
	id := hex.EncodeToString(sum[:16])
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

func (s *Service) deleteTable(input *tableInput, _ awsjson.Call) (*changedTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, ok := s.tables[tableName(input.TableName)]
	if !ok {
		return nil, tableNotFound(input.TableName)
	}
	if t.usable.After(now) {
		return nil, resourceInUse("Attempt to change a resource which is still in use: Table is being created: " + t.name)
	}
	if t.deletionProtected {
		return nil, attribute.Invalidf("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(s.tables, t.name)
	description := s.describe(t, now)
	description.TableStatus = statusDeleting
	return &changedTableOutput{description}, nil
}

type updateTableInput struct {
	TableName                   string
	AttributeDefinitions        []attributeDefinition
	BillingMode                 string
	ProvisionedThroughput       throughput
	DeletionProtectionEnabled   *bool
	GlobalSecondaryIndexUpdates []indexUpdate
}

type indexUpdate struct {
	Create *indexDefinition
	Delete *struct{ IndexName string }
	Update *struct {
		IndexName             string
		ProvisionedThroughput throughput
	}
}

// updateTable changes a copy of the table's description, which takes its place
// when every change is found good.
func (s *Service) updateTable(input *updateTableInput, _ awsjson.Call) (*changedTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	old, ok := s.tables[tableName(input.TableName)]
	if !ok {
		return nil, tableNotFound(input.TableName)
	}
	if old.usable.After(now) {
		return nil, resourceInUse("Attempt to change a resource which is still in use: Table is being created: " + old.name)
	}
	changed := *old
	changed.indexes = slices.Clone(old.indexes)
	if err := changed.update(input, now); err != nil {
		return nil, err
	}
	for _, index := range changed.indexes {
		if _, known := old.index(index.name); !known {
			index.lag, index.history = s.config.IndexLag, s.newHistory()
			index.usable = now.Add(s.config.Creation)
			index.backfill(changed.rows)
		}
	}
	*old = changed
	description := s.describe(old, now)
	description.TableStatus = "UPDATING"
	return &changedTableOutput{description}, nil
}

func (t *table) update(input *updateTableInput, now time.Time) error {
	if input.BillingMode != "" || input.ProvisionedThroughput != (throughput{}) {
		mode := input.BillingMode
		if mode == "" {
			mode = t.billing.mode
		}
		var err error
		if t.billing, err = newBilling(mode, input.ProvisionedThroughput); err != nil {
			return err
		}
	}
	if input.DeletionProtectionEnabled != nil {
		t.deletionProtected = *input.DeletionProtectionEnabled
	}
	if len(input.GlobalSecondaryIndexUpdates) > 1 {
		return limitExceeded("Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	for _, update := range input.GlobalSecondaryIndexUpdates {
		if err := t.updateIndex(update, input.AttributeDefinitions, now); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) updateIndex(update indexUpdate, definitions []attributeDefinition, now time.Time) error {
	for _, index := range t.indexes {
		if index.usable.After(now) {
			return resourceInUse("Attempt to change a resource which is still in use: Index is being created: " + index.name)
		}
	}
	switch {
	case update.Create != nil:
		return t.createIndex(*update.Create, definitions)
	case update.Delete != nil:
		at := slices.IndexFunc(t.indexes, func(i *index) bool { return i.name == update.Delete.IndexName })
		if at < 0 {
			return resourceNotFound("Requested resource not found")
		}
		t.indexes = slices.Delete(t.indexes, at, at+1)
		t.dropUnusedTypes()
		return nil
	case update.Update != nil:
		found, ok := t.index(update.Update.IndexName)
		if !ok {
			return resourceNotFound("Requested resource not found")
		}
		found.billing = update.Update.ProvisionedThroughput
		return nil
	}
	return attribute.Invalidf("One or more parameter values were invalid: " +
		"One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
}

// createIndex adds an index; definitions are those of its key at least.
func (t *table) createIndex(definition indexDefinition, definitions []attributeDefinition) error {
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
	added, err := newIndex(definition, t)
	if err != nil {
		return err
	}
	if err := t.addIndex(added); err != nil {
		return err
	}
	return t.checkDefinitions()
}

// dropUnusedTypes forgets the definitions of attributes that are in no key any more.
func (t *table) dropUnusedTypes() {
	types := map[string]attribute.Type{}
	for _, a := range t.schema.attributes() {
		types[a.name] = a.typeName
	}
	for _, index := range t.indexes {
		for _, a := range index.schema.attributes() {
			types[a.name] = a.typeName
		}
	}
	t.types = types
}
