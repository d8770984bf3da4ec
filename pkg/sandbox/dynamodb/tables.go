package dynamodb

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

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
	t.billingMode, t.throughput = cmp.Or(input.BillingMode, provisioned), input.ProvisionedThroughput
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

func (s *Service) deleteTable(input *tableInput, _ awsjson.Call) (*changedTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, ok := s.tables[tableName(input.TableName)]
	if !ok {
		return nil, tableNotFound(input.TableName)
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
	changed := *old
	changed.indexes = slices.Clone(old.indexes)
	if err := changed.update(input); err != nil {
		return nil, err
	}
	for _, index := range changed.indexes {
		if _, known := old.index(index.name); !known {
			index.lag, index.history = s.config.IndexLag, s.newHistory()
			index.backfill(changed.rows)
		}
	}
	*old = changed
	description := s.describe(old, now)
	description.TableStatus = "UPDATING"
	return &changedTableOutput{description}, nil
}

func (t *table) update(input *updateTableInput) error {
	if input.BillingMode != "" || input.ProvisionedThroughput != (throughput{}) {
		t.billingMode, t.throughput = cmp.Or(input.BillingMode, t.billingMode), input.ProvisionedThroughput
	}
	if input.DeletionProtectionEnabled != nil {
		t.deletionProtected = *input.DeletionProtectionEnabled
	}
	if len(input.GlobalSecondaryIndexUpdates) > 1 {
		return failure("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	for _, update := range input.GlobalSecondaryIndexUpdates {
		if err := t.updateIndex(update, input.AttributeDefinitions); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) updateIndex(update indexUpdate, definitions []attributeDefinition) error {
	switch {
	case update.Create != nil:
		return t.createIndex(*update.Create, definitions)
	case update.Delete != nil:
		at := slices.IndexFunc(t.indexes, func(i *index) bool { return i.name == update.Delete.IndexName })
		if at < 0 {
			return resourceNotFound("Requested resource not found")
		}
		t.indexes = slices.Delete(t.indexes, at, at+1)
		t.types = t.keyTypes()
		return nil
	}
	return attribute.Invalidf("One or more parameter values were invalid: an index can only be created or deleted")
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

// The states of tables and indexes.
const (
	statusActive   = "ACTIVE"
	statusCreating = "CREATING"
	statusDeleting = "DELETING"
)

// tableInput is the input of all operations that take no more than a table.
type tableInput struct{ TableName string }

type tableDescription struct {
	TableName                 string
	TableStatus               string
	TableArn                  string
	CreationDateTime          float64
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingModeSummary        *billingModeSummary `json:",omitempty"`
	ProvisionedThroughput     throughput
	ItemCount                 int
	TableSizeBytes            int
	GlobalSecondaryIndexes    []indexDescription `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type billingModeSummary struct{ BillingMode string }

type indexDescription struct {
	IndexName             string
	IndexStatus           string
	Backfilling           bool `json:",omitempty"`
	IndexArn              string
	KeySchema             []keySchemaElement
	Projection            projection
	ProvisionedThroughput throughput
	ItemCount             int
	IndexSizeBytes        int
}

// describe returns the state of a table. AWS refreshes sizes and counts every six
// hours, here they are exact.
func (s *Service) describe(t *table, now time.Time) *tableDescription {
	description := &tableDescription{
		TableName:                 t.name,
		TableStatus:               statusActive,
		TableArn:                  s.arn(t.name),
		CreationDateTime:          epoch(t.created),
		KeySchema:                 t.schema.elements(),
		ProvisionedThroughput:     t.throughput,
		ItemCount:                 t.rows.Len(),
		TableSizeBytes:            t.bytes,
		DeletionProtectionEnabled: t.deletionProtected,
	}
	if t.billingMode == payPerRequest {
		description.BillingModeSummary = &billingModeSummary{payPerRequest}
	}
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		description.AttributeDefinitions = append(description.AttributeDefinitions, attributeDefinition{name, t.types[name]})
	}
	for _, i := range t.indexes {
		i.catchUp(now)
		description.GlobalSecondaryIndexes = append(description.GlobalSecondaryIndexes, indexDescription{
			IndexName:             i.name,
			IndexStatus:           statusActive,
			IndexArn:              description.TableArn + "/index/" + i.name,
			KeySchema:             i.schema.elements(),
			Projection:            i.projection,
			ProvisionedThroughput: i.throughput,
			ItemCount:             i.rows.Len(),
			IndexSizeBytes:        i.bytes,
		})
	}
	return description
}

type describeTableOutput struct{ Table *tableDescription }

func (s *Service) describeTable(input *tableInput, _ awsjson.Call) (*describeTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tables[tableName(input.TableName)]
	if !ok {
		return nil, tableNotFound(input.TableName)
	}
	return &describeTableOutput{s.describe(t, s.config.Now())}, nil
}

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   *int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

// maxListed is the maximum number of tables that one call lists.
const maxListed = 100

func (s *Service) listTables(input *listTablesInput, _ awsjson.Call) (*listTablesOutput, error) {
	limit := maxListed
	if input.Limit != nil {
		limit = *input.Limit
	}
	if limit < 1 || limit > maxListed {
		return nil, constraint(strconv.Itoa(limit), "limit", "Member must have value between 1 and 100")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	output := &listTablesOutput{TableNames: []string{}}
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		if name <= input.ExclusiveStartTableName {
			continue
		}
		if len(output.TableNames) == limit {
			output.LastEvaluatedTableName = output.TableNames[limit-1]
			break
		}
		output.TableNames = append(output.TableNames, name)
	}
	return output, nil
}

func (s *Service) arn(table string) string {
	return "arn:aws:dynamodb:" + s.config.Region + ":" + s.config.AccountID + ":table/" + table
}

// epoch returns a time in its JSON form, seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

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

// throughput is the provisioned throughput of a table or index, zero on demand.
type throughput struct {
	ReadCapacityUnits  int64
	WriteCapacityUnits int64
}

// indexDefinition defines a global secondary index.
type indexDefinition struct {
	IndexName             string
	KeySchema             []keySchemaElement
	Projection            projection
	ProvisionedThroughput throughput
}

const (
	payPerRequest = "PAY_PER_REQUEST"
	provisioned   = "PROVISIONED"
)

func checkName(name, member string) error {
	if !namePattern.MatchString(name) {
		return constraint(name, member, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length between 3 and 255")
	}
	return nil
}

// attributeTypes returns the types of key attributes by name.
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

// newKeySchema returns the key of a table or an index.
func newKeySchema(elements []keySchemaElement, types map[string]attribute.Type) (keySchema, error) {
	if len(elements) < 1 || len(elements) > 2 {
		return keySchema{}, constraint(fmt.Sprintf("[%d elements]", len(elements)), "keySchema", "Member must have length between 1 and 2")
	}
	if elements[0].KeyType != "HASH" || len(elements) == 2 && elements[1].KeyType != "RANGE" {
		return keySchema{}, attribute.Invalidf("Invalid KeySchema: The key is a HASH key type, and optionally a RANGE key type")
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

// elements returns the key in the form of requests and responses.
func (k keySchema) elements() []keySchemaElement {
	elements := []keySchemaElement{{AttributeName: k.partition.name, KeyType: "HASH"}}
	if k.sort.name != "" {
		elements = append(elements, keySchemaElement{AttributeName: k.sort.name, KeyType: "RANGE"})
	}
	return elements
}

// newIndex returns an empty index of a table.
func newIndex(definition indexDefinition, t *table) (*index, error) {
	if err := checkName(definition.IndexName, "globalSecondaryIndexes.member.indexName"); err != nil {
		return nil, err
	}
	schema, err := newKeySchema(definition.KeySchema, t.types)
	if err != nil {
		return nil, err
	}
	if projection := definition.Projection; (projection.Type == "INCLUDE") != (len(projection.NonKeyAttributes) > 0) {
		return nil, attribute.Invalidf("One or more parameter values were invalid: NonKeyAttributes belong to ProjectionType INCLUDE")
	}
	return &index{
		name:       definition.IndexName,
		schema:     schema,
		projection: definition.Projection,
		table:      t.schema,
		rows:       newRows(),
		throughput: definition.ProvisionedThroughput,
	}, nil
}

// addIndex adds an index that agrees with the others.
func (t *table) addIndex(added *index) error {
	if _, taken := t.index(added.name); taken {
		return attribute.Invalidf("One or more parameter values were invalid: Duplicate index name: %s", added.name)
	}
	t.indexes = append(t.indexes, added)
	return nil
}

// keyTypes returns the types of the attributes that are in a key.
func (t *table) keyTypes() map[string]attribute.Type {
	types := map[string]attribute.Type{}
	for _, a := range t.schema.attributes() {
		types[a.name] = a.typeName
	}
	for _, index := range t.indexes {
		for _, a := range index.schema.attributes() {
			types[a.name] = a.typeName
		}
	}
	return types
}

// checkDefinitions refuses definitions of attributes that are in no key.
func (t *table) checkDefinitions() error {
	if len(t.keyTypes()) != len(t.types) {
		return attribute.Invalidf("One or more parameter values were invalid: Some AttributeDefinitions are not used. AttributeDefinitions: [%s]",
			strings.Join(slices.Sorted(maps.Keys(t.types)), ", "))
	}
	return nil
}

// oldest is the maximum age of an expiry whose item is still deleted: a time
// further back is taken for a mistake.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
const oldest = 5 * 365 * 24 * time.Hour

type timeToLiveSpecification struct {
	AttributeName string
	Enabled       bool
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification timeToLiveSpecification
}

type updateTimeToLiveOutput struct {
	TimeToLiveSpecification timeToLiveSpecification
}

func (s *Service) updateTimeToLive(input *updateTimeToLiveInput, _ awsjson.Call) (*updateTimeToLiveOutput, error) {
	asked := input.TimeToLiveSpecification
	if asked.AttributeName == "" || len(asked.AttributeName) > 255 {
		return nil, constraint(asked.AttributeName, "timeToLiveSpecification.attributeName", "Member must have length between 1 and 255")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	switch {
	case asked.Enabled && t.timeToLive == "":
		t.timeToLive = asked.AttributeName
	case !asked.Enabled && t.timeToLive == asked.AttributeName:
		t.timeToLive = ""
	default:
		return nil, attribute.Invalidf("TimeToLive is already enabled, disabled, or active on another AttributeName: %s", t.timeToLive)
	}
	return &updateTimeToLiveOutput{asked}, nil
}

type describeTimeToLiveOutput struct {
	TimeToLiveDescription timeToLiveDescription
}

type timeToLiveDescription struct {
	AttributeName    string `json:",omitempty"`
	TimeToLiveStatus string
}

func (s *Service) describeTimeToLive(input *tableInput, _ awsjson.Call) (*describeTimeToLiveOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	description := timeToLiveDescription{AttributeName: t.timeToLive, TimeToLiveStatus: "DISABLED"}
	if t.timeToLive != "" {
		description.TimeToLiveStatus = "ENABLED"
	}
	return &describeTimeToLiveOutput{description}, nil
}

// Sweep deletes the items of all tables whose time to live is over and returns their
// number. AWS does this at some time within days; until then they can be read.
func (s *Service) Sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	swept := 0
	for _, name := range slices.Sorted(maps.Keys(s.tables)) { // an order for the lags that are drawn
		t := s.tables[name]
		var expired []*row
		t.rows.Ascend(func(r *row) bool {
			if t.expired(r.item, now) {
				expired = append(expired, r)
			}
			return true
		})
		for _, r := range expired {
			t.put(r.place, nil, now)
		}
		swept += len(expired)
	}
	return swept
}

// expired reports whether an item's time, in seconds since 1970, has come; values
// of other types than numbers never expire.
func (t *table) expired(item attribute.Item, now time.Time) bool {
	expiry, ok := item[t.timeToLive].(attribute.Number)
	return ok && t.timeToLive != "" &&
		expiry.LessThan(decimal.NewFromInt(now.Unix())) &&
		expiry.GreaterThan(decimal.NewFromInt(now.Add(-oldest).Unix()))
}
