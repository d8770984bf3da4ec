package dynamostore

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/finding"
)

// ErrNoTable means that the table does not exist.
var ErrNoTable = errors.New("dynamodb: there is no such table")

// DescribeEvents reads the configuration of the events table. Errors include ErrNoTable; Denied reports whether the
// permission is missing.
func (t *Tables) DescribeEvents(ctx context.Context) (finding.TableSetup, error) {
	return t.describe(ctx, eventsTable(t.EventsTable))
}

// DescribeLedger reads the configuration of the ledger table. Errors are those of DescribeEvents.
func (t *Tables) DescribeLedger(ctx context.Context) (finding.TableSetup, error) {
	return t.describe(ctx, ledgerTable(t.LedgerTable))
}

// describe reads the configuration of a table and compares it with the required layout.
func (t *Tables) describe(ctx context.Context, wanted *dynamodb.CreateTableInput) (finding.TableSetup, error) {
	output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.DescribeTableOutput, error) {
		return t.Client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: wanted.TableName})
	})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return finding.TableSetup{}, fmt.Errorf("%w: %w", ErrNoTable, err)
	}
	if err != nil {
		return finding.TableSetup{}, fmt.Errorf("describe table %s: %w", *wanted.TableName, err)
	}
	found := output.Table
	setup := finding.TableSetup{
		Status:      string(found.TableStatus),
		Differences: differences(wanted, found),
		Protected:   aws.ToBool(found.DeletionProtectionEnabled),
	}
	for _, index := range found.GlobalSecondaryIndexes {
		if aws.ToString(index.IndexName) == unbilledIndex {
			setup.IndexStatus = string(index.IndexStatus)
		}
	}
	return setup, nil
}

// TimeToLive returns the TTL attribute of the ledger table; empty if TTL is off.
func (t *Tables) TimeToLive(ctx context.Context) (attribute string, err error) {
	output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.DescribeTimeToLiveOutput, error) {
		return t.Client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.LedgerTable})
	})
	if err != nil {
		return "", fmt.Errorf("describe the time to live of %s: %w", t.LedgerTable, err)
	}
	return ttlAttribute(output.TimeToLiveDescription), nil
}

// ttlAttribute returns the TTL attribute; empty if TTL is off or being disabled.
func ttlAttribute(found *types.TimeToLiveDescription) string {
	if found == nil {
		return ""
	}
	switch found.TimeToLiveStatus {
	case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
		return aws.ToString(found.AttributeName)
	default:
		return ""
	}
}
