package dynamostore

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
)

// Heads returns the heads of all invoices that the ledger knows, in no order. It reads the
// whole table, strongly, a page at a time: an invoice that changes meanwhile shows as it was
// or as it is.
func (s *Store) Heads(ctx context.Context) iter.Seq2[billing.Head, error] {
	return scan(ctx, s, &dynamodb.ScanInput{
		TableName:                &s.LedgerTable,
		FilterExpression:         aws.String("attribute_exists(#state)"),
		ExpressionAttributeNames: map[string]string{"#state": "state"},
		ConsistentRead:           aws.Bool(true),
	}, decodeHead)
}

// AllUnbilled returns the unbilled events of all subscriptions, as the index shows them, in
// no order.
func (s *Store) AllUnbilled(ctx context.Context) iter.Seq2[billing.Event, error] {
	return scan(ctx, s, &dynamodb.ScanInput{
		TableName: &s.EventsTable,
		IndexName: aws.String(unbilledIndex),
	}, decodeEvent)
}

// scan reads a table or an index to its end.
func scan[T any](ctx context.Context, s *Store, input *dynamodb.ScanInput, decode func(item) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page := *input
		for {
			output, err := read(ctx, func(ctx context.Context) (*dynamodb.ScanOutput, error) { return s.Client.Scan(ctx, &page) })
			if err != nil {
				var nothing T
				yield(nothing, fmt.Errorf("dynamodb: scan %s: %w", *input.TableName, err))
				return
			}
			for _, found := range output.Items {
				if !yield(decode(found), nil) {
					return
				}
			}
			if page.ExclusiveStartKey = output.LastEvaluatedKey; page.ExclusiveStartKey == nil {
				return
			}
		}
	}
}
