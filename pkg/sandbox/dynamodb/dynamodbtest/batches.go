package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

func batchPut(made attributes) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: made}}
}

func (b *bench) batchWrite(table string, writes ...types.WriteRequest) error {
	_, err := b.client.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{table: writes},
	})
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

func numbered(n int) (writes []types.WriteRequest, keys []attributes) {
	for i := range n {
		key := item("pk", fmt.Sprint(i))
		writes, keys = append(writes, batchPut(key)), append(keys, key)
	}
	return writes, keys
}

var batches = []check{
	{Name: "batches/writes to two tables", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{})
		b.put(one, item("pk", "old"))
		out, err := b.client.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
			one: {batchPut(item("pk", "a", "x", 1)), {DeleteRequest: &types.DeleteRequest{Key: item("pk", "old")}}},
			two: {batchPut(item("pk", "a", "x", 2))},
		}})
		b.must(err)
		b.equal("unprocessed", len(out.UnprocessedItems), 0)
		b.is(b.get(one, item("pk", "a")), item("pk", "a", "x", 1))
		b.is(b.get(one, item("pk", "old")), nil)
		b.is(b.get(two, item("pk", "a")), item("pk", "a", "x", 2))
	}},
	{Name: "batches/25 writes", Run: func(b *bench) {
		table := b.table(layout{})
		writes, _ := numbered(26)
		b.invalid(b.batchWrite(table, writes...))
		b.must(b.batchWrite(table, writes[:25]...))
		b.is(b.get(table, item("pk", "24")), item("pk", "24"))
		b.is(b.get(table, item("pk", "25")), nil)
	}},
	{Name: "batches/one write per item", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, batchPut(item("pk", "a", "x", 1)), batchPut(item("pk", "a", "x", 2))),
			"Provided list of item keys contains duplicates")
	}},
	{Name: "batches/a malformed write spoils all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, batchPut(item("pk", "a")), batchPut(item("pk", 1))))
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "batches/reads", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1, "y", 1))
		b.put(table, item("pk", "b", "x", 2))
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
	{Name: "batches/an item too large spoils all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, batchPut(item("pk", "a")), batchPut(item("pk", "b", "data", strings.Repeat("x", limit400KB)))))
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "batches/nothing at all", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table))
		_, err := b.batchGet(table, types.KeysAndAttributes{Keys: []attributes{}})
		b.invalid(err)
	}},
	{Name: "batches/no such table", Run: func(b *bench) {
		table, missing := b.table(layout{}), conformance.Name()
		_, write := b.client.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
			table: {batchPut(item("pk", "a"))}, missing: {batchPut(item("pk", "a"))},
		}})
		b.code(write, "ResourceNotFoundException")
		_, read := b.batchGet(missing, types.KeysAndAttributes{Keys: []attributes{item("pk", "a")}})
		b.code(read, "ResourceNotFoundException")
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "batches/reads of two tables", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{})
		b.put(one, item("pk", "a", "x", 1))
		b.put(two, item("pk", "a", "x", 2))
		got, err := b.client.BatchGetItem(b.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			one: {Keys: []attributes{item("pk", "a")}}, two: {Keys: []attributes{item("pk", "a")}},
		}})
		b.must(err)
		b.equal("unprocessed", len(got.UnprocessedKeys), 0)
		b.is(got.Responses[one][0], item("pk", "a", "x", 1))
		b.is(got.Responses[two][0], item("pk", "a", "x", 2))
	}},
	{Name: "batches/16 MB of reads, the rest unprocessed", Run: func(b *bench) {
		table := b.table(layout{})
		_, keys := numbered(44)
		for _, key := range keys {
			b.put(table, item("pk", key["pk"], "data", strings.Repeat("x", 390<<10)))
		}
		requests := map[string]types.KeysAndAttributes{table: {Keys: keys}}
		rounds, read := 0, map[string]bool{}
		for ; len(requests) > 0; rounds++ {
			got, err := b.client.BatchGetItem(b.Context(), &dynamodb.BatchGetItemInput{RequestItems: requests})
			b.must(err)
			if len(got.Responses[table]) > 43 {
				b.Fatalf("%d items of 390 KB in one answer", len(got.Responses[table]))
			}
			for _, one := range got.Responses[table] {
				read[shown(one["pk"])] = true
			}
			requests = got.UnprocessedKeys
		}
		b.equal("items", len(read), 44)
		if rounds < 2 {
			b.Fatal("17 MB in one answer")
		}
	}},
	{Name: "batches/100 reads", Run: func(b *bench) {
		table := b.table(layout{})
		_, keys := numbered(101)
		got, err := b.batchGet(table, types.KeysAndAttributes{Keys: keys[:100]})
		b.must(err)
		b.equal("items", len(got), 0)
		_, err = b.batchGet(table, types.KeysAndAttributes{Keys: keys})
		b.invalid(err)
	}},
	{Name: "batches/one read per item", Run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.batchGet(table, types.KeysAndAttributes{Keys: []attributes{item("pk", "a"), item("pk", "a")}})
		b.invalid(err, "Provided list of item keys contains duplicates")
	}},
}
