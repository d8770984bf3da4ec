package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
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

func (b *bench) batchGet(table string, keys types.KeysAndAttributes) ([]attributes, error) {
	got, err := b.client.BatchGetItem(b.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{table: keys},
	})
	if err != nil {
		return nil, err
	}
	return got.Responses[table], nil
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
		got, err := b.client.BatchGetItem(b.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			one: {Keys: []attributes{item("pk", "a")}}, two: {Keys: []attributes{item("pk", "a")}},
		}})
		b.must(err)
		b.equal("unprocessed", len(got.UnprocessedKeys), 0)
		b.is(got.Responses[one][0], item("pk", "a", "x", 1))
		b.is(got.Responses[two][0], item("pk", "a", "x", 2))
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
		_, err := b.batchGet(table, types.KeysAndAttributes{Keys: []attributes{item("pk", "a"), item("pk", "a")}})
		b.invalid(err, "Provided list of item keys contains duplicates")
	}},
	{Name: "batches/an invalid write fails all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, item("pk", "a"), item("pk", 1)))
		b.invalid(b.batchWrite(table, item("pk", "a"), item("pk", "b", "data", strings.Repeat("x", limit400KB))))
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "batches/reads", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1, "y", 1), item("pk", "b", "x", 2))
		got, err := b.batchGet(table, types.KeysAndAttributes{
			Keys:                 []attributes{item("pk", "a"), item("pk", "b"), item("pk", "absent")},
			ConsistentRead:       aws.Bool(true),
			ProjectionExpression: aws.String("pk, x"),
		})
		b.must(err)
		b.equal("items", len(got), 2)
		for _, one := range got {
			want := map[string]attributes{`S:"a"`: item("pk", "a", "x", 1), `S:"b"`: item("pk", "b", "x", 2)}[shown(one["pk"])]
			b.is(one, want)
		}
	}},
	{Name: "batches/nothing at all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table))
		_, err := b.batchGet(table, types.KeysAndAttributes{Keys: []attributes{}})
		b.invalid(err)
	}},
	{Name: "batches/no such table", Run: func(b *bench) {
		table, missing := b.table(layout{}), conformance.Name()
		put := []types.WriteRequest{batchPut(item("pk", "a"))}
		b.code(b.batchWriteTo(map[string][]types.WriteRequest{table: put, missing: put}), "ResourceNotFoundException")
		_, read := b.batchGet(missing, types.KeysAndAttributes{Keys: []attributes{item("pk", "a")}})
		b.code(read, "ResourceNotFoundException")
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "batches/16 MB of reads, the rest unprocessed", Run: func(b *bench) {
		table := b.table(layout{})
		keys, puts := keys(44, 390<<10)
		for _, put := range puts {
			b.write(table, put)
		}
		requests := map[string]types.KeysAndAttributes{table: {Keys: keys}}
		rounds, read := 0, map[string]bool{}
		for ; len(requests) > 0; rounds++ {
			got, err := b.client.BatchGetItem(b.Context(), &dynamodb.BatchGetItemInput{RequestItems: requests})
			b.must(err)
			if len(got.Responses[table]) > 43 {
				b.Fatalf("%d items of 390 KB in one response", len(got.Responses[table]))
			}
			for _, one := range got.Responses[table] {
				read[shown(one["pk"])] = true
			}
			requests = got.UnprocessedKeys
		}
		b.equal("items", len(read), 44)
		if rounds < 2 {
			b.Fatal("17 MB in one response")
		}
	}},
	{Name: "batches/100 reads", Run: func(b *bench) {
		table := b.table(layout{})
		keys, _ := keys(101, 0)
		got, err := b.batchGet(table, types.KeysAndAttributes{Keys: keys[:100]})
		b.must(err)
		b.equal("items", len(got), 0)
		_, err = b.batchGet(table, types.KeysAndAttributes{Keys: keys})
		b.invalid(err)
	}},
}
