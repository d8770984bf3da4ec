package contract

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

var batches = []Check{
	{Name: "batches/writes to two tables", run: func(b *bench) {
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
	{Name: "batches/25 writes", run: func(b *bench) {
		table := b.table(layout{})
		writes, _ := numbered(26)
		b.invalid(b.batchWrite(table, writes...))
		b.must(b.batchWrite(table, writes[:25]...))
		b.is(b.get(table, item("pk", "24")), item("pk", "24"))
		b.is(b.get(table, item("pk", "25")), nil)
	}},
	{Name: "batches/one write per item", run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, batchPut(item("pk", "a", "x", 1)), batchPut(item("pk", "a", "x", 2))),
			"Provided list of item keys contains duplicates")
	}},
	{Name: "batches/a malformed write spoils all", run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.batchWrite(table, batchPut(item("pk", "a")), batchPut(item("pk", 1))))
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "batches/reads", run: func(b *bench) {
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
	{Name: "batches/100 reads", run: func(b *bench) {
		table := b.table(layout{})
		_, keys := numbered(101)
		got, err := b.batchGet(table, types.KeysAndAttributes{Keys: keys[:100]})
		b.must(err)
		b.equal("items", len(got), 0)
		_, err = b.batchGet(table, types.KeysAndAttributes{Keys: keys})
		b.invalid(err)
	}},
	{Name: "batches/one read per item", run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.batchGet(table, types.KeysAndAttributes{Keys: []attributes{item("pk", "a"), item("pk", "a")}})
		b.invalid(err, "Provided list of item keys contains duplicates")
	}},
}
