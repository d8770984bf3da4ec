package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
)

// Records returns the records of all invoices, in no order. It scans the whole table with strongly consistent
// reads. A record that changes during the scan is returned as it was before the change, or after it.
func (s *Store) Records(ctx context.Context) iter.Seq2[billing.Record, error] {
	return scan(ctx, s, dynamodb.ScanInput{
		TableName:                &s.LedgerTable,
		FilterExpression:         aws.String("attribute_exists(#state)"),
		ExpressionAttributeNames: map[string]string{"#state": "state"},
		ConsistentRead:           aws.Bool(true),
	}, decodeRecord)
}

// AllUnbilled returns the unbilled events of all subscriptions, in no order. The index may be stale.
func (s *Store) AllUnbilled(ctx context.Context) iter.Seq2[billing.Event, error] {
	return scan(ctx, s, dynamodb.ScanInput{
		TableName: &s.EventsTable,
		IndexName: aws.String(unbilledIndex),
	}, decodeEvent)
}

// Claimed returns all claimed events, strongly consistent and in no order. It reads the whole table.
func (s *Store) Claimed(ctx context.Context) iter.Seq2[billing.ClaimedEvent, error] {
	return scan(ctx, s, dynamodb.ScanInput{
		TableName:                 &s.EventsTable,
		FilterExpression:          aws.String("#s = :claimed"),
		ProjectionExpression:      aws.String("subscription_id, event_id, invoice_id"),
		ExpressionAttributeNames:  statusName,
		ExpressionAttributeValues: item{":claimed": statusClaimed},
		ConsistentRead:            aws.Bool(true),
	}, func(found item) billing.ClaimedEvent {
		r := reader(found)
		key := billing.EventKey{SubscriptionID: r.text("subscription_id"), EventID: r.text("event_id")}
		return billing.ClaimedEvent{EventKey: key, InvoiceID: r.text(attributeInvoiceID)}
	})
}

// scan returns the decoded items of a table or an index, without voided events.
func scan[T any](ctx context.Context, s *Store, input dynamodb.ScanInput, decode func(item) T) iter.Seq2[T, error] {
	return paged(decode, func(start item) ([]item, item, error) {
		page := input
		page.ExclusiveStartKey = start
		output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.ScanOutput, error) { return s.Client.Scan(ctx, &page) })
		if err != nil {
			return nil, nil, fmt.Errorf("dynamodb: scan %s: %w", *input.TableName, err)
		}
		return slices.DeleteFunc(output.Items, isVoid), output.LastEvaluatedKey, nil
	})
}

// paged returns the decoded items of all pages of a query or scan. load reads the page after the key start, which is
// nil for the first page. next is the start of the following page; nil after the last page.
func paged[T any](decode func(item) T, load func(start item) (found []item, next item, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for start := item(nil); ; {
			found, next, err := load(start)
			if err != nil {
				var nothing T
				yield(nothing, err)
				return
			}
			for _, src := range found {
				if !yield(decode(src), nil) {
					return
				}
			}
			if start = next; start == nil {
				return
			}
		}
	}
}
