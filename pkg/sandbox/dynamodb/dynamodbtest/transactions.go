package dynamodbtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

func putting(table string, made attributes) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: made}}
}

func (b *bench) transact(items ...types.TransactWriteItem) error {
	_, err := b.client.TransactWriteItems(b.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
	return err
}

// cancelled wants a cancelled transaction and returns its reasons.
func (b *bench) cancelled(err error, codes ...string) []types.CancellationReason {
	b.Helper()
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		b.Fatalf("error %v, want a cancelled transaction", err)
	}
	var got []string
	for _, reason := range cancelled.CancellationReasons {
		got = append(got, *reason.Code)
	}
	b.equal("reasons", strings.Join(got, ", "), strings.Join(codes, ", "))
	if want := "[" + strings.Join(codes, ", ") + "]"; !strings.Contains(cancelled.ErrorMessage(), want) {
		b.Fatalf("the message has no %s: %s", want, cancelled.ErrorMessage())
	}
	return cancelled.CancellationReasons
}

var transactions = []check{
	{Name: "transactions/all kinds of actions on two tables", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{sort: types.ScalarAttributeTypeN})
		b.put(one, item("pk", "update", "x", 1))
		b.put(one, item("pk", "delete"))
		b.put(two, item("pk", "check", "sk", 1, "x", 1))
		b.must(b.transact(
			types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
				TableName: &two, Key: item("pk", "check", "sk", 1), ConditionExpression: aws.String("x = :x"), ExpressionAttributeValues: item(":x", 1),
			}},
			types.TransactWriteItem{Put: &types.Put{
				TableName: &two, Item: item("pk", "put", "sk", 1), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			}},
			types.TransactWriteItem{Update: &types.Update{
				TableName: &one, Key: item("pk", "update"), UpdateExpression: aws.String("ADD x :one"), ExpressionAttributeValues: item(":one", 1),
			}},
			types.TransactWriteItem{Delete: &types.Delete{TableName: &one, Key: item("pk", "delete")}},
		))
		b.is(b.get(two, item("pk", "check", "sk", 1)), item("pk", "check", "sk", 1, "x", 1))
		b.is(b.get(two, item("pk", "put", "sk", 1)), item("pk", "put", "sk", 1))
		b.is(b.get(one, item("pk", "update")), item("pk", "update", "x", 2))
		b.is(b.get(one, item("pk", "delete")), nil)
	}},
	{Name: "transactions/every failing action has its reason and old item", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1))
		b.put(table, item("pk", "b", "x", 2))
		onlyNew := aws.String("attribute_not_exists(pk)")
		reasons := b.cancelled(b.transact(
			putting(table, item("pk", "new")),
			types.TransactWriteItem{Put: &types.Put{
				TableName: &table, Item: item("pk", "a"), ConditionExpression: onlyNew,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}},
			types.TransactWriteItem{Update: &types.Update{
				TableName: &table, Key: item("pk", "c"), UpdateExpression: aws.String("SET x = :x"), ExpressionAttributeValues: item(":x", 1),
			}},
			types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: item("pk", "b"), ConditionExpression: onlyNew}},
		), "None", "ConditionalCheckFailed", "None", "ConditionalCheckFailed")
		b.is(reasons[1].Item, item("pk", "a", "x", 1))
		b.is(reasons[3].Item, nil)
		b.equal("message", *reasons[1].Message, "The conditional request failed")
		if reasons[0].Message != nil {
			b.Fatalf("a message for None: %s", *reasons[0].Message)
		}
		for _, key := range []string{"new", "c"} {
			b.is(b.get(table, item("pk", key)), nil)
		}
		b.is(b.get(table, item("pk", "b")), item("pk", "b", "x", 2))
	}},
	{Name: "transactions/the old item of every kind of action", Run: func(b *bench) {
		table := b.table(layout{})
		var want []attributes
		for _, key := range []string{"check", "put", "update", "delete"} {
			made := item("pk", key, "x", 1)
			b.put(table, made)
			want = append(want, made)
		}
		onlyNew, old := aws.String("attribute_not_exists(pk)"), types.ReturnValuesOnConditionCheckFailureAllOld
		reasons := b.cancelled(b.transact(
			types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
				TableName: &table, Key: item("pk", "check"), ConditionExpression: onlyNew, ReturnValuesOnConditionCheckFailure: old,
			}},
			types.TransactWriteItem{Put: &types.Put{
				TableName: &table, Item: item("pk", "put"), ConditionExpression: onlyNew, ReturnValuesOnConditionCheckFailure: old,
			}},
			types.TransactWriteItem{Update: &types.Update{
				TableName: &table, Key: item("pk", "update"), UpdateExpression: aws.String("SET x = :x"), ExpressionAttributeValues: item(":x", 2),
				ConditionExpression: onlyNew, ReturnValuesOnConditionCheckFailure: old,
			}},
			types.TransactWriteItem{Delete: &types.Delete{
				TableName: &table, Key: item("pk", "delete"), ConditionExpression: onlyNew, ReturnValuesOnConditionCheckFailure: old,
			}},
		), "ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed")
		for i, reason := range reasons {
			b.is(reason.Item, want[i])
			b.is(b.get(table, item("pk", want[i]["pk"])), want[i])
		}
	}},
	{Name: "transactions/a check changes nothing", Run: func(b *bench) {
		table := b.table(layout{})
		check := types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &table, Key: item("pk", "a"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		}}
		b.must(b.transact(check))
		b.is(b.get(table, item("pk", "a")), nil)
		b.put(table, item("pk", "a", "x", 1))
		b.cancelled(b.transact(check), "ConditionalCheckFailed")
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 1))
	}},
	{Name: "transactions/an item that becomes too large", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "data", strings.Repeat("x", limit400KB-20)))
		if b.transact(
			putting(table, item("pk", "new")),
			types.TransactWriteItem{Update: &types.Update{
				TableName: &table, Key: item("pk", "a"), UpdateExpression: aws.String("SET x = :x"), ExpressionAttributeValues: item(":x", strings.Repeat("x", 20)),
			}},
		) == nil {
			b.Fatal("an item has more than 400 KB")
		}
		b.is(b.get(table, item("pk", "new")), nil)
		b.equal("attributes", len(b.get(table, item("pk", "a"))), 2)
	}},
	{Name: "transactions/an update that does not fit its item", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", "text"))
		b.cancelled(b.transact(
			putting(table, item("pk", "new")),
			types.TransactWriteItem{Update: &types.Update{
				TableName: &table, Key: item("pk", "a"), UpdateExpression: aws.String("SET x = x + :one"), ExpressionAttributeValues: item(":one", 1),
			}},
		), "None", "ValidationError")
		b.is(b.get(table, item("pk", "new")), nil)
	}},
	{Name: "transactions/one action per item", Run: func(b *bench) {
		table := b.table(layout{})
		err := b.transact(
			putting(table, item("pk", "a")),
			types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: item("pk", "a")}},
		)
		b.invalid(err, "Transaction request cannot include multiple operations on one item")
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "transactions/100 actions", Run: func(b *bench) {
		table := b.table(layout{})
		var items []types.TransactWriteItem
		for i := range 100 {
			items = append(items, putting(table, item("pk", fmt.Sprint(i))))
		}
		b.must(b.transact(items...))
		b.is(b.get(table, item("pk", "99")), item("pk", "99"))
		b.invalid(b.transact(append(items, putting(table, item("pk", "100")))...))
		b.is(b.get(table, item("pk", "100")), nil)
	}},
	{Name: "transactions/4 MB", Run: func(b *bench) {
		table := b.table(layout{})
		var items []types.TransactWriteItem
		for i := range 11 {
			items = append(items, putting(table, item("pk", fmt.Sprint(i), "data", strings.Repeat("x", 390<<10))))
		}
		b.must(b.transact(items[:10]...))
		if err := b.transact(items...); err == nil {
			b.Fatal("no error for 4.2 MB")
		}
		b.is(b.get(table, item("pk", "10")), nil)
	}},
	{Name: "transactions/no such table", Run: func(b *bench) {
		table := b.table(layout{})
		var notFound *types.ResourceNotFoundException
		if err := b.transact(putting(table, item("pk", "a")), putting(conformance.Name(), item("pk", "a"))); !errors.As(err, &notFound) {
			b.Fatalf("error %v, want ResourceNotFoundException", err)
		}
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "transactions/expressions are checked", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.transact(types.TransactWriteItem{Put: &types.Put{
			TableName: &table, Item: item("pk", "a"), ConditionExpression: aws.String("x = :x"), ExpressionAttributeValues: item(":x", 1, ":y", 1),
		}}), "unused in expressions: keys: {:y}")
	}},
	{Name: "transactions/a token makes them idempotent", Run: func(b *bench) {
		table := b.table(layout{})
		send := tokenSender(b, table)
		b.must(send(1))
		b.must(send(1))
		b.put(table, item("pk", "a", "x", 5))
		b.must(send(1))
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 5))
		var mismatch *types.IdempotentParameterMismatchException
		if err := send(2); !errors.As(err, &mismatch) {
			b.Fatalf("error %v, want IdempotentParameterMismatchException", err)
		}
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 5))
		b.must(tokenSender(b, table)(2)) // under another token
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 7))
	}},
	{Name: "transactions/a token has 36 characters", Run: func(b *bench) {
		table := b.table(layout{})
		for length, accepted := range map[int]bool{36: true, 37: false} {
			_, err := b.client.TransactWriteItems(b.Context(), &dynamodb.TransactWriteItemsInput{
				ClientRequestToken: aws.String((rand.Text() + rand.Text())[:length]), // one that nobody has used
				TransactItems:      []types.TransactWriteItem{putting(table, item("pk", "a"))},
			})
			if accepted {
				b.must(err)
			} else {
				b.invalid(err)
			}
		}
	}},
	{Name: "transactions/a token is good for 10 minutes", Lasts: 10 * time.Minute, Run: func(b *bench) {
		table := b.table(layout{})
		send := tokenSender(b, table)
		b.must(send(1))
		time.Sleep(10*time.Minute - time.Second)
		b.must(send(1))
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 1))
		time.Sleep(time.Second)
		b.must(send(1))
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 2))
	}},
	{Name: "transactions/a cancelled one leaves its token free", Run: func(b *bench) {
		table := b.table(layout{})
		token := rand.Text()
		send := func() error {
			_, err := b.client.TransactWriteItems(b.Context(), &dynamodb.TransactWriteItemsInput{
				ClientRequestToken: &token,
				TransactItems: []types.TransactWriteItem{{Update: &types.Update{
					TableName: &table, Key: item("pk", "a"), UpdateExpression: aws.String("SET x = :x"), ConditionExpression: aws.String("attribute_exists(pk)"),
					ExpressionAttributeValues: item(":x", 1),
				}}},
			})
			return err
		}
		b.cancelled(send(), "ConditionalCheckFailed")
		b.put(table, item("pk", "a"))
		b.must(send())
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "x", 1))
	}},
	{Name: "transactions/reads", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{})
		b.put(one, item("pk", "a", "x", 1, "y", 2))
		b.put(two, item("pk", "a", "z", 3))
		got, err := b.client.TransactGetItems(b.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
			{Get: &types.Get{TableName: &two, Key: item("pk", "a")}},
			{Get: &types.Get{TableName: &one, Key: item("pk", "absent")}},
			{Get: &types.Get{TableName: &one, Key: item("pk", "a"), ProjectionExpression: aws.String("y")}},
		}})
		b.must(err)
		b.equal("answers", len(got.Responses), 3)
		b.is(got.Responses[0].Item, item("pk", "a", "z", 3))
		b.is(got.Responses[1].Item, nil)
		b.is(got.Responses[2].Item, item("y", 2))
	}},
	{Name: "transactions/reads that are refused", Run: func(b *bench) {
		table := b.table(layout{})
		read := func(table string, keys ...attributes) error {
			var gets []types.TransactGetItem
			for _, key := range keys {
				gets = append(gets, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: key}})
			}
			_, err := b.client.TransactGetItems(b.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets})
			return err
		}
		b.invalid(read(table, item("pk", "a"), item("pk", "b"), item("pk", "a")), "multiple operations on one item")
		b.code(read(conformance.Name(), item("pk", "a")), "ResourceNotFoundException")
		for i := range 11 {
			b.put(table, item("pk", fmt.Sprint(i), "data", strings.Repeat("x", 390<<10)))
		}
		_, keys := numbered(11)
		b.must(read(table, keys[:10]...))
		if read(table, keys...) == nil {
			b.Fatal("4.2 MB were read")
		}
	}},
	{Name: "transactions/100 reads", Run: func(b *bench) {
		table := b.table(layout{})
		var gets []types.TransactGetItem
		for i := range 101 {
			gets = append(gets, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: item("pk", fmt.Sprint(i))}})
		}
		_, err := b.client.TransactGetItems(b.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets[:100]})
		b.must(err)
		_, err = b.client.TransactGetItems(b.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets})
		b.invalid(err)
	}},
}

// tokenSender sends the same addition under one token again and again.
func tokenSender(b *bench, table string) func(add int) error {
	token := rand.Text()
	return func(add int) error {
		_, err := b.client.TransactWriteItems(b.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: &token,
			TransactItems: []types.TransactWriteItem{{Update: &types.Update{
				TableName: &table, Key: item("pk", "a"), UpdateExpression: aws.String("ADD x :add"),
				ExpressionAttributeValues: item(":add", add),
			}}},
		})
		return err
	}
}
