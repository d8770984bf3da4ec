package dynamodbtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// transact makes a transaction of writes on one table.
func (b *bench) transact(table string, writes ...write) error {
	return b.transactAs("", table, writes...)
}

// transactAs is transact under a client request token.
func (b *bench) transactAs(token, table string, writes ...write) error {
	var actions []types.TransactWriteItem
	for _, w := range writes {
		actions = append(actions, w.in(table))
	}
	return b.transactItems(token, actions...)
}

func (b *bench) transactItems(token string, actions ...types.TransactWriteItem) error {
	_, err := b.client.TransactWriteItems(b.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: actions, ClientRequestToken: text(token)})
	return err
}

// cancelled requires a cancelled transaction and returns its reasons.
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
	want := strings.Join(codes, ", ")
	b.equal("reasons", strings.Join(got, ", "), want)
	if !strings.Contains(cancelled.ErrorMessage(), "["+want+"]") {
		b.Fatalf("the message has no [%s]: %s", want, cancelled.ErrorMessage())
	}
	return cancelled.CancellationReasons
}

// keys returns n keys, and the items with these keys and size bytes of data.
func keys(n, size int) (keys []attributes, puts []write) {
	for i := range n {
		key := item("pk", fmt.Sprint(i))
		keys = append(keys, key)
		puts = append(puts, write{put: item("pk", key["pk"], "data", strings.Repeat("x", size))})
	}
	return keys, puts
}

const onlyNew = "attribute_not_exists(pk)"

var transactions = []check{
	{Name: "transactions/all kinds of actions on two tables", Run: func(b *bench) {
		one, two := b.table(layout{}), b.table(layout{sort: types.ScalarAttributeTypeN})
		b.put(one, item("pk", "update", "x", 1), item("pk", "delete"))
		b.put(two, item("pk", "check", "sk", 1, "x", 1))
		b.must(b.transactItems("",
			write{isCheck: true, key: item("pk", "check", "sk", 1), condition: "x = :x", values: item(":x", 1)}.in(two),
			write{put: item("pk", "put", "sk", 1), condition: onlyNew}.in(two),
			write{key: item("pk", "update"), update: "ADD x :one", values: item(":one", 1)}.in(one),
			write{key: item("pk", "delete")}.in(one),
		))
		b.has(two, item("pk", "check", "sk", 1), item("pk", "check", "sk", 1, "x", 1))
		b.has(two, item("pk", "put", "sk", 1), item("pk", "put", "sk", 1))
		b.has(one, item("pk", "update"), item("pk", "update", "x", 2))
		b.has(one, item("pk", "delete"), nil)
	}},
	{Name: "transactions/every failing action has its reason and old item", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1), item("pk", "b", "x", 2))
		quiet := write{key: item("pk", "b"), condition: onlyNew}.in(table)
		quiet.Delete.ReturnValuesOnConditionCheckFailure = ""
		reasons := b.cancelled(b.transactItems("",
			write{put: item("pk", "new")}.in(table),
			write{put: item("pk", "a"), condition: onlyNew}.in(table),
			write{key: item("pk", "c"), update: "SET x = :x", values: item(":x", 1)}.in(table),
			quiet,
		), "None", "ConditionalCheckFailed", "None", "ConditionalCheckFailed")
		b.is(reasons[1].Item, item("pk", "a", "x", 1))
		b.is(reasons[3].Item, nil)
		b.equal("message", *reasons[1].Message, "The conditional request failed")
		if reasons[0].Message != nil {
			b.Fatalf("a message for None: %s", *reasons[0].Message)
		}
		for key, want := range map[string]attributes{"new": nil, "c": nil, "b": item("pk", "b", "x", 2)} {
			b.has(table, item("pk", key), want)
		}
	}},
	{Name: "transactions/the old item of every kind of action", Run: func(b *bench) {
		table := b.table(layout{})
		kinds := []string{"check", "put", "update", "delete"}
		for _, key := range kinds {
			b.put(table, item("pk", key, "x", 1))
		}
		reasons := b.cancelled(b.transact(table,
			write{isCheck: true, key: item("pk", "check"), condition: onlyNew},
			write{put: item("pk", "put"), condition: onlyNew},
			write{key: item("pk", "update"), update: "SET x = :x", values: item(":x", 2), condition: onlyNew},
			write{key: item("pk", "delete"), condition: onlyNew},
		), "ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed")
		for i, key := range kinds {
			b.is(reasons[i].Item, item("pk", key, "x", 1))
			b.has(table, item("pk", key), item("pk", key, "x", 1))
		}
	}},
	{Name: "transactions/a check changes nothing", Run: func(b *bench) {
		table := b.table(layout{})
		check := write{isCheck: true, condition: onlyNew}
		b.must(b.transact(table, check))
		b.has(table, item("pk", "a"), nil)
		b.put(table, item("pk", "a", "x", 1))
		b.cancelled(b.transact(table, check), "ConditionalCheckFailed")
		b.has(table, item("pk", "a"), item("pk", "a", "x", 1))
	}},
	{Name: "transactions/an item that becomes too large", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "data", strings.Repeat("x", limit400KB-20)))
		if b.transact(table, write{put: item("pk", "new")}, write{update: "SET x = :x", values: item(":x", strings.Repeat("x", 20))}) == nil {
			b.Fatal("an item has more than 400 KB")
		}
		b.has(table, item("pk", "new"), nil)
		b.equal("attributes", len(b.get(table, item("pk", "a"))), 2)
	}},
	{Name: "transactions/an update that does not fit its item", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", "text"))
		b.cancelled(b.transact(table, write{put: item("pk", "new")}, write{update: "SET x = x + :one", values: item(":one", 1)}),
			"None", "ValidationError")
		b.has(table, item("pk", "new"), nil)
	}},
	{Name: "transactions/one action per item", Run: func(b *bench) {
		table := b.table(layout{})
		b.invalid(b.transact(table, write{put: item("pk", "a")}, write{}), "Transaction request cannot include multiple operations on one item")
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "transactions/100 actions", Run: func(b *bench) {
		table := b.table(layout{})
		keys, puts := keys(101, 0)
		b.must(b.transact(table, puts[:100]...))
		b.has(table, keys[99], puts[99].put)
		b.invalid(b.transact(table, puts...))
		b.has(table, keys[100], nil)
	}},
	{Name: "transactions/4 MB", Run: func(b *bench) {
		table := b.table(layout{})
		keys, puts := keys(11, 390<<10)
		b.must(b.transact(table, puts[:10]...))
		if err := b.transact(table, puts...); err == nil {
			b.Fatal("no error for 4.2 MB")
		}
		b.has(table, keys[10], nil)
	}},
	{Name: "transactions/no such table", Run: func(b *bench) {
		table := b.table(layout{})
		put := write{put: item("pk", "a")}
		b.code(b.transactItems("", put.in(table), put.in(conformance.Name())), "ResourceNotFoundException")
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "transactions/expressions are checked", Run: func(b *bench) {
		b.invalid(b.transact(b.table(layout{}), write{put: item("pk", "a"), condition: "x = :x", values: item(":x", 1, ":y", 1)}),
			"unused in expressions: keys: {:y}")
	}},
	{Name: "transactions/a token makes them idempotent", Run: func(b *bench) {
		table, token := b.table(layout{}), rand.Text()
		b.must(b.transactAs(token, table, add(1)))
		b.must(b.transactAs(token, table, add(1)))
		b.put(table, item("pk", "a", "x", 5))
		b.must(b.transactAs(token, table, add(1)))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 5))
		b.code(b.transactAs(token, table, add(2)), "IdempotentParameterMismatchException")
		b.has(table, item("pk", "a"), item("pk", "a", "x", 5))
		b.must(b.transactAs(rand.Text(), table, add(2)))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 7))
	}},
	{Name: "transactions/a token has 36 characters", Run: func(b *bench) {
		table, token := b.table(layout{}), rand.Text()+rand.Text()
		b.must(b.transactAs(token[:36], table, write{put: item("pk", "a")}))
		b.invalid(b.transactAs(token[:37], table, write{put: item("pk", "a")}))
	}},
	{Name: "transactions/a token is good for 10 minutes", Lasts: 10 * time.Minute, Run: func(b *bench) {
		table, token := b.table(layout{}), rand.Text()
		b.must(b.transactAs(token, table, add(1)))
		time.Sleep(10*time.Minute - time.Second)
		b.must(b.transactAs(token, table, add(1)))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 1))
		time.Sleep(time.Second)
		b.must(b.transactAs(token, table, add(1)))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 2))
	}},
	{Name: "transactions/a cancelled one leaves its token free", Run: func(b *bench) {
		table, token := b.table(layout{}), rand.Text()
		update := write{update: "SET x = :x", condition: "attribute_exists(pk)", values: item(":x", 1)}
		b.cancelled(b.transactAs(token, table, update), "ConditionalCheckFailed")
		b.put(table, item("pk", "a"))
		b.must(b.transactAs(token, table, update))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 1))
	}},
}

func add(n int) write { return write{update: "ADD x :add", values: item(":add", n)} }

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
		for _, err := range together(40, func(int) error { _, err := b.try(table, add(1)); return err }) {
			b.must(err)
		}
		b.has(table, item("pk", "a"), item("pk", "a", "x", 40))
	}},
	{Name: "concurrency/one winner among conditional writes", Run: func(b *bench) {
		table := b.table(layout{})
		winners := 0
		for _, err := range together(40, func(i int) error {
			_, err := b.try(table, write{put: item("pk", "a", "i", i), condition: onlyNew})
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
		winner := -1
		for i, err := range together(20, func(i int) error {
			return b.transact(table,
				write{put: item("pk", "a", "i", i), condition: onlyNew}, write{put: item("pk", "b", "i", i), condition: onlyNew})
		}) {
			var cancelled *types.TransactionCanceledException
			switch {
			case err == nil && winner >= 0:
				b.Fatal("two transactions made the same items")
			case err == nil:
				winner = i
			case !errors.As(err, &cancelled):
				b.Fatal(err)
			}
		}
		if winner < 0 {
			return // all of them collided
		}
		for _, key := range []string{"a", "b"} {
			b.has(table, item("pk", key), item("pk", key, "i", winner))
		}
	}},
	{Name: "concurrency/transactions move without loss", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "from", "x", 20), item("pk", "to", "x", 0))
		var moved atomic.Int64
		for _, err := range together(30, func(int) error {
			err := b.transact(table,
				write{key: item("pk", "from"), update: "SET x = x - :one", condition: "x >= :one", values: item(":one", 1)},
				write{key: item("pk", "to"), update: "SET x = x + :one", values: item(":one", 1)})
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
		b.has(table, item("pk", "from"), item("pk", "from", "x", 20-to))
		b.has(table, item("pk", "to"), item("pk", "to", "x", to))
		if to > 20 {
			b.Fatalf("moved %d of 20", to)
		}
	}},
}
