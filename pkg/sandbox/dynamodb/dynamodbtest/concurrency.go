package dynamodbtest

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

var concurrency = []check{
	{Name: "concurrency/counters are exact", Run: func(b *bench) {
		table := b.table(layout{})
		for _, err := range together(40, func(int) error {
			_, err := b.tryUpdate(table, updating{update: "ADD x :one", values: item(":one", 1)})
			return err
		}) {
			b.must(err)
		}
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 40))
	}},
	{Name: "concurrency/one winner among conditional writes", Run: func(b *bench) {
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
	{Name: "concurrency/one winner among transactions", Run: func(b *bench) {
		table := b.table(layout{})
		onlyNew := aws.String("attribute_not_exists(pk)")
		var winner atomic.Int64
		for i, err := range together(20, func(i int) error {
			var puts []types.TransactWriteItem
			for _, key := range []string{"a", "b"} {
				puts = append(puts, types.TransactWriteItem{Put: &types.Put{
					TableName: &table, Item: item("pk", key, "i", i), ConditionExpression: onlyNew,
				}})
			}
			return b.transact(puts...)
		}) {
			var cancelled *types.TransactionCanceledException
			switch {
			case err == nil && !winner.CompareAndSwap(0, int64(i)+1):
				b.Fatal("two transactions made the same items")
			case err != nil && !errors.As(err, &cancelled):
				b.Fatal(err)
			}
		}
		if winner.Load() == 0 {
			return // all of them collided
		}
		for _, key := range []string{"a", "b"} {
			b.is(b.get(table, item("pk", key)), item("pk", key, "i", int(winner.Load())-1))
		}
	}},
	{Name: "concurrency/transactions move without loss", Run: func(b *bench) {
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
