package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

func batchPut(made attributes) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: made}}
}

// batchWrite writes items to one table.
func (b *bench) batchWrite(table string, items ...attributes) error {
	writes := []types.WriteRequest{}
	for _, item := range items {
		writes = append(writes, batchPut(item))
	}
	return b.batchWriteTo(map[string][]types.WriteRequest{table: writes})
}

func (b *bench) batchWriteTo(requests map[string][]types.WriteRequest) error {
	out, err := b.client.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: requests})
	if err == nil && len(out.UnprocessedItems) > 0 {
		b.Errorf("unprocessed: %v", out.UnprocessedItems)
	}
	return err
}

var batches = []check{
	{Name: "batches/two tables", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{})
		b.put(one, item("pk", "old"))
		b.must(b.batchWriteTo(map[string][]types.WriteRequest{
			one: {batchPut(item("pk", "a", "x", 1)), {DeleteRequest: &types.DeleteRequest{Key: item("pk", "old")}}},
			two: {batchPut(item("pk", "a", "x", 2))},
		}))
		b.has(one, item("pk", "old"), nil)
		b.has(one, item("pk", "a"), item("pk", "a", "x", 1))
		b.has(two, item("pk", "a"), item("pk", "a", "x", 2))
	}},
	{Name: "batches/25 writes", Run: func(b *bench) {
		table := b.table(layout{})
		items, _ := keys(26, 0)
		b.invalid(b.batchWrite(table, items...))
		b.must(b.batchWrite(table, items[:25]...))
		b.has(table, items[24], items[24])
		b.has(table, items[25], nil)
	}},
	{Name: "batches/one request per item", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, item("pk", "a", "x", 1), item("pk", "a", "x", 2)), "Provided list of item keys contains duplicates")
	}},
	{Name: "batches/an invalid write fails all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, item("pk", "a"), item("pk", 1)))
		b.invalid(b.batchWrite(table, item("pk", "a"), item("pk", "b", "data", strings.Repeat("x", limit400KB))))
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "batches/nothing at all", Run: func(b *bench) {
		b.invalid(b.batchWrite(b.table(layout{})))
	}},
	{Name: "batches/no such table", Run: func(b *bench) {
		table, missing := b.table(layout{}), conformance.Name()
		put := []types.WriteRequest{batchPut(item("pk", "a"))}
		b.code(b.batchWriteTo(map[string][]types.WriteRequest{table: put, missing: put}), "ResourceNotFoundException")
		b.has(table, item("pk", "a"), nil)
	}},
}
