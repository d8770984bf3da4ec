package dynamodb

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

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
	TableID                   string `json:"TableId"`
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

// describe tells the state of a table. AWS refreshes sizes and counts every six
// hours, here they are exact.
func (s *Service) describe(t *table, now time.Time) *tableDescription {
	description := &tableDescription{
		TableName:                 t.name,
		TableStatus:               statusAt(t.usable, now),
		TableArn:                  s.arn(t.name),
		TableID:                   t.id,
		CreationDateTime:          epoch(t.created),
		KeySchema:                 t.schema.elements(),
		ProvisionedThroughput:     t.billing.throughput,
		ItemCount:                 t.rows.Len(),
		TableSizeBytes:            t.bytes,
		DeletionProtectionEnabled: t.deletionProtected,
	}
	if t.billing.mode == payPerRequest {
		description.BillingModeSummary = &billingModeSummary{payPerRequest}
	}
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		description.AttributeDefinitions = append(description.AttributeDefinitions, attributeDefinition{name, t.types[name]})
	}
	for _, i := range t.indexes {
		i.catchUp(now)
		description.GlobalSecondaryIndexes = append(description.GlobalSecondaryIndexes, indexDescription{
			IndexName:             i.name,
			IndexStatus:           statusAt(i.usable, now),
			Backfilling:           i.usable.After(now) && !t.usable.After(now),
			IndexArn:              description.TableArn + "/index/" + i.name,
			KeySchema:             i.schema.elements(),
			Projection:            i.projection,
			ProvisionedThroughput: i.billing,
			ItemCount:             i.rows.Len(),
			IndexSizeBytes:        i.bytes,
		})
	}
	return description
}

func statusAt(usable, now time.Time) string {
	if usable.After(now) {
		return statusCreating
	}
	return statusActive
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

// maxListed is how many tables one call lists.
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
