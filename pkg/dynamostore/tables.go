package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/finding"
)

// createTimeout is the maximum time until a new table is active.
const createTimeout = 5 * time.Minute

// TablesAPI is the part of the SDK's client that creates and describes tables.
type TablesAPI interface {
	CreateTable(ctx context.Context, input *dynamodb.CreateTableInput, options ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(ctx context.Context, input *dynamodb.DescribeTableInput, options ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(ctx context.Context, input *dynamodb.DescribeTimeToLiveInput, options ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(ctx context.Context, input *dynamodb.UpdateTimeToLiveInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
}

// Tables creates and describes the tables of one deployment.
type Tables struct {
	Client      TablesAPI
	EventsTable string
	LedgerTable string
}

// TableState is the result of Create for one table.
type TableState struct {
	Table       string
	Created     bool
	Differences []finding.Difference // from the required layout
}

// Values of finding.Difference.Name.
const (
	TableKeyDiffers        = "table_key_differs"
	AttributeTypeDiffers   = "attribute_type_differs"
	IndexMissing           = "index_missing"
	IndexKeyDiffers        = "index_key_differs"
	IndexProjectionDiffers = "index_projection_differs"
)

// Create creates missing tables, with on-demand billing and deletion protection, and waits until they are active.
// It compares existing tables with the required layout. It never changes their layout. It enables TTL on the ledger
// table, unless the layout of this table differs.
func (t *Tables) Create(ctx context.Context) ([]TableState, error) {
	events, err := t.ensure(ctx, eventsTable(t.EventsTable))
	if err != nil {
		return nil, err
	}
	ledger, err := t.ensure(ctx, ledgerTable(t.LedgerTable))
	if err != nil {
		return nil, err
	}
	if len(ledger.Differences) == 0 {
		if err := t.ensureTimeToLive(ctx); err != nil {
			return nil, err
		}
	}
	return []TableState{events, ledger}, nil
}

// eventsTable returns the required layout of the events table.
func eventsTable(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName:                 &name,
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(true),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("subscription_id"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("event_id"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("unbilled"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("occurred_at"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: keySchema("subscription_id", "event_id"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String(unbilledIndex),
			KeySchema:  keySchema("unbilled", "occurred_at"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}

// ledgerTable returns the required layout of the ledger table.
func ledgerTable(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName:                 &name,
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(true),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attributeInvoiceID), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: keySchema(attributeInvoiceID),
	}
}

func keySchema(partition string, sort ...string) []types.KeySchemaElement {
	schema := []types.KeySchemaElement{{AttributeName: &partition, KeyType: types.KeyTypeHash}}
	for _, name := range sort {
		schema = append(schema, types.KeySchemaElement{AttributeName: aws.String(name), KeyType: types.KeyTypeRange})
	}
	return schema
}

// ensure creates the table if it is missing, or else compares it with the required layout.
func (t *Tables) ensure(ctx context.Context, wanted *dynamodb.CreateTableInput) (TableState, error) {
	state := TableState{Table: *wanted.TableName}
	found, err := t.Client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: wanted.TableName})
	var missing *types.ResourceNotFoundException
	switch {
	case err == nil:
		state.Differences = differences(wanted, found.Table)
		return state, nil
	case !errors.As(err, &missing):
		return state, fmt.Errorf("describe table %s: %w", state.Table, err)
	}
	if _, err := t.Client.CreateTable(ctx, wanted); err != nil {
		return state, fmt.Errorf("create table %s: %w", state.Table, err)
	}
	waiter := dynamodb.NewTableExistsWaiter(t.Client, func(options *dynamodb.TableExistsWaiterOptions) {
		options.MinDelay, options.MaxDelay = time.Second, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: wanted.TableName}, createTimeout); err != nil {
		return state, fmt.Errorf("wait for table %s: %w", state.Table, err)
	}
	state.Created = true
	return state, nil
}

// differences compares the key, the attribute types and the indexes of a table with the required layout.
func differences(wanted *dynamodb.CreateTableInput, found *types.TableDescription) []finding.Difference {
	var diffs []finding.Difference
	foundTypes := map[string]types.ScalarAttributeType{}
	for _, definition := range found.AttributeDefinitions {
		foundTypes[aws.ToString(definition.AttributeName)] = definition.AttributeType
	}
	for _, definition := range wanted.AttributeDefinitions {
		name := *definition.AttributeName
		if foundType, ok := foundTypes[name]; ok && foundType != definition.AttributeType {
			diffs = append(diffs, finding.Difference{Name: AttributeTypeDiffers, Text: fmt.Sprintf("attribute %s has type %s, want %s", name, foundType, definition.AttributeType)})
		}
	}
	if want, have := describeKeys(wanted.KeySchema), describeKeys(found.KeySchema); want != have {
		diffs = append(diffs, finding.Difference{Name: TableKeyDiffers, Text: fmt.Sprintf("the key is %s, want %s", have, want)})
	}
	for _, index := range wanted.GlobalSecondaryIndexes {
		diffs = append(diffs, indexDifferences(index, found.GlobalSecondaryIndexes)...)
	}
	return diffs
}

func indexDifferences(wanted types.GlobalSecondaryIndex, found []types.GlobalSecondaryIndexDescription) []finding.Difference {
	name := *wanted.IndexName
	for _, index := range found {
		if aws.ToString(index.IndexName) != name {
			continue
		}
		var diffs []finding.Difference
		if want, have := describeKeys(wanted.KeySchema), describeKeys(index.KeySchema); want != have {
			diffs = append(diffs, finding.Difference{Name: IndexKeyDiffers, Text: fmt.Sprintf("the key of index %s is %s, want %s", name, have, want)})
		}
		if index.Projection == nil || index.Projection.ProjectionType != wanted.Projection.ProjectionType {
			diffs = append(diffs, finding.Difference{Name: IndexProjectionDiffers, Text: fmt.Sprintf("index %s does not project %s", name, wanted.Projection.ProjectionType)})
		}
		return diffs
	}
	return []finding.Difference{{Name: IndexMissing, Text: fmt.Sprintf("index %s is missing", name)}}
}

// describeKeys returns a text such as "subscription_id (HASH), event_id (RANGE)".
func describeKeys(schema []types.KeySchemaElement) string {
	keys := make([]string, len(schema))
	for i, key := range schema {
		keys[i] = fmt.Sprintf("%s (%s)", aws.ToString(key.AttributeName), key.KeyType)
	}
	return strings.Join(keys, ", ")
}

// ensureTimeToLive enables TTL on the ledger table, unless TTL is enabled with any attribute.
func (t *Tables) ensureTimeToLive(ctx context.Context) error {
	found, err := t.Client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.LedgerTable})
	if err != nil {
		return fmt.Errorf("describe the time to live of %s: %w", t.LedgerTable, err)
	}
	if ttlAttribute(found.TimeToLiveDescription) != "" {
		return nil
	}
	_, err = t.Client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &t.LedgerTable,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(attributeExpiresAt),
			Enabled:       aws.Bool(true),
		},
	})
	if err != nil {
		return fmt.Errorf("set the time to live of %s: %w", t.LedgerTable, err)
	}
	return nil
}
