package contract

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// together runs n calls at once and returns their errors.
func together(n int, call func(i int) error) []error {
	failures := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { failures[i] = call(i) })
	}
	group.Wait()
	return failures
}

var concurrency = []Check{
	{Name: "concurrency/counters are exact", run: func(b *bench) {
		table := b.table(layout{})
		for _, err := range together(40, func(int) error {
			_, err := b.tryUpdate(table, updating{update: "ADD x :one", values: item(":one", 1)})
			return err
		}) {
			b.must(err)
		}
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 40))
	}},
	{Name: "concurrency/one winner among conditional writes", run: func(b *bench) {
		table := b.table(layout{})
		winners := 0
		for _, err := range together(40, func(i int) error {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
				TableName: &table, Item: item("pk", "a", "i", i), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			})
			return err
		}) {
			if err == nil {
				winners++
			} else {
				b.conditionFailed(err)
			}
		}
		b.equal("winners", winners, 1)
	}},
	{Name: "concurrency/transactions move without loss", run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "from", "x", 20))
		b.put(table, item("pk", "to", "x", 0))
		var moved atomic.Int64
		for _, err := range together(30, func(int) error {
			err := b.transact(
				types.TransactWriteItem{Update: &types.Update{
					TableName: &table, Key: item("pk", "from"), UpdateExpression: aws.String("SET x = x - :one"),
					ConditionExpression: aws.String("x >= :one"), ExpressionAttributeValues: item(":one", 1),
				}},
				types.TransactWriteItem{Update: &types.Update{
					TableName: &table, Key: item("pk", "to"), UpdateExpression: aws.String("SET x = x + :one"), ExpressionAttributeValues: item(":one", 1),
				}},
			)
			if err == nil {
				moved.Add(1)
			}
			return err
		}) {
			var cancelled *types.TransactionCanceledException
			if err != nil && !errors.As(err, &cancelled) {
				b.Fatal(err)
			}
		}
		to := int(moved.Load())
		b.is(b.get(table, item("pk", "from")), item("pk", "from", "x", 20-to))
		b.is(b.get(table, item("pk", "to")), item("pk", "to", "x", to))
		if to > 20 {
			b.Fatalf("moved %d of 20", to)
		}
	}},
}
