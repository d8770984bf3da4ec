package dynamodb

import (
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// The states of tables and indexes.
const (
	statusActive   = "ACTIVE"
	statusCreating = "CREATING"
	statusDeleting = "DELETING"
)

type tableDescription struct {
	TableName                 string
	TableStatus               string
	TableArn                  string
	CreationDateTime          float64
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingModeSummary        *billingModeSummary `json:",omitempty"`
	ItemCount                 int
	TableSizeBytes            int
	GlobalSecondaryIndexes    []indexDescription `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type billingModeSummary struct{ BillingMode string }

type indexDescription struct {
	IndexName      string
	IndexStatus    string
	IndexArn       string
	KeySchema      []keySchemaElement
	Projection     projection
	ItemCount      int
	IndexSizeBytes int
}

// describe returns the state of a table. AWS refreshes sizes and counts every six
// hours, here they are exact.
func (s *Service) describe(t *table, now time.Time) *tableDescription {
	description := &tableDescription{
		TableName:                 t.name,
		TableStatus:               statusActive,
		TableArn:                  arn(t.name),
		CreationDateTime:          epoch(t.created),
		KeySchema:                 t.schema.elements(),
		ItemCount:                 t.rows.Len(),
		TableSizeBytes:            t.bytes,
		DeletionProtectionEnabled: t.deletionProtected,
	}
	if t.billingMode != "" {
		description.BillingModeSummary = &billingModeSummary{t.billingMode}
	}
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		description.AttributeDefinitions = append(description.AttributeDefinitions, attributeDefinition{name, t.types[name]})
	}
	for _, i := range t.indexes {
		i.catchUp(now)
		description.GlobalSecondaryIndexes = append(description.GlobalSecondaryIndexes, indexDescription{
			IndexName:      i.name,
			IndexStatus:    statusActive,
			IndexArn:       description.TableArn + "/index/" + i.name,
			KeySchema:      i.schema.elements(),
			Projection:     i.projection,
			ItemCount:      i.rows.Len(),
			IndexSizeBytes: i.bytes,
		})
	}
	return description
}

type describeTableOutput struct{ Table *tableDescription }

func (s *Service) describeTable(input *tableInput, _ awsjson.Call) (*describeTableOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	return &describeTableOutput{s.describe(t, s.config.Now())}, nil
}

// listTablesInput is a request for all tables: they are not listed in pages.
type listTablesInput struct{ ExclusiveStartTableName, Limit *unsupported }

type listTablesOutput struct{ TableNames []string }

func (s *Service) listTables(*listTablesInput, awsjson.Call) (*listTablesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &listTablesOutput{append([]string{}, slices.Sorted(maps.Keys(s.tables))...)}, nil
}

const accountID = "000000000000"

func arn(table string) string {
	return "arn:aws:dynamodb:eu-central-1:" + accountID + ":table/" + table
}

// epoch returns a time in its JSON form, seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
