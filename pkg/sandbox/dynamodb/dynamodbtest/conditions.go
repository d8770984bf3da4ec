package dynamodbtest

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var conditions = []check{
	{Name: "conditions/put only once", Run: func(b *bench) {
		table := b.table(layout{})
		put := func(x int) write { return write{put: item("pk", "a", "x", x), condition: "attribute_not_exists(pk)"} }
		b.write(table, put(1))
		b.is(b.failsCondition(table, put(2)), item("pk", "a", "x", 1))
		b.has(table, item("pk", "a"), item("pk", "a", "x", 1))
	}},
	{Name: "conditions/the old item only when asked for", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a"))
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: &table, Item: item("pk", "a"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		})
		b.is(b.conditionFailed(err).Item, nil)
	}},
	{Name: "conditions/no old item of an item that does not exist", Run: func(b *bench) {
		table := b.table(layout{})
		b.is(b.failsCondition(table, write{update: "SET x = :x", condition: "attribute_exists(pk)", values: item(":x", 1)}), nil)
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "conditions/update", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "version", 1))
		bump := write{
			update: "SET version = version + :one", condition: "version = :seen",
			values: item(":one", 1, ":seen", 1), returns: types.ReturnValueAllNew,
		}
		b.is(b.write(table, bump), item("pk", "a", "version", 2))
		b.is(b.failsCondition(table, bump), item("pk", "a", "version", 2))
	}},
	{Name: "conditions/delete", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1))
		b.is(b.failsCondition(table, write{condition: "x = :x", values: item(":x", 2)}), item("pk", "a", "x", 1))
		b.write(table, write{condition: "x = :x", values: item(":x", 1)})
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "conditions/functions and operators", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, conditionItem)
		for _, c := range conditionTable {
			_, err := b.try(table, write{put: conditionItem, condition: c.condition, values: c.values})
			var failed *types.ConditionalCheckFailedException
			if c.holds != (err == nil) || err != nil && !errors.As(err, &failed) {
				b.Errorf("%s with %s: error %v, want %t", c.condition, shown(c.values), err, c.holds)
			}
		}
	}},
	{Name: "conditions/precedence", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, conditionItem)
		yes, no := "n = :n", "n = :other"
		for condition, want := range map[string]bool{
			yes + " OR " + yes + " AND " + no:                 true,
			"(" + yes + " OR " + yes + ") AND " + no:          false,
			"NOT " + no + " AND " + yes:                       true,
			"NOT (" + no + " AND " + yes + ")":                true,
			"NOT " + yes + " OR " + no:                        false,
			"not " + no + " and n between :n and :n or " + no: true,
		} {
			_, err := b.try(table, write{put: conditionItem, condition: condition, values: item(":n", 10, ":other", 11)})
			if (err == nil) != want {
				b.Errorf("%s: error %v, want %t", condition, err, want)
			}
		}
	}},
	{Name: "conditions/malformed", Run: func(b *bench) {
		table := b.table(layout{})
		for _, c := range []struct {
			condition string
			values    attributes
		}{
			{"n = ", nil},
			{"n", nil},
			{"n = :n n", item(":n", 1)},
			{"(n = :n", item(":n", 1)},
			{"n == :n", item(":n", 1)},
			{"n != :n", item(":n", 1)},
			{"n IN :n", item(":n", 1)},
			{"n BETWEEN :n", item(":n", 1)},
			{"n BETWEEN :hi AND :lo", item(":hi", 2, ":lo", 1)},
			{"unknown(n)", nil},
			{"ATTRIBUTE_EXISTS(n)", nil},
			{"attribute_exists(:n)", item(":n", 1)},
			{"attribute_exists(n, n)", nil},
			{"begins_with(s, :n)", item(":n", 1)},
			{"n < :b", item(":b", true)},
			{"n = n", nil},
			{"((n = :n))", item(":n", 1)},
		} {
			_, err := b.try(table, write{put: item("pk", "a"), condition: c.condition, values: c.values})
			var coded interface{ ErrorCode() string }
			if !errors.As(err, &coded) || coded.ErrorCode() != "ValidationException" {
				b.Errorf("%q: error %v, want a ValidationException", c.condition, err)
			}
		}
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a"), ConditionExpression: aws.String("")})
		b.invalid(err)
	}},
}

var conditionItem = item("pk", "a", "n", 10, "s", "hello", "b", []byte("bytes"), "t", true, "nothing", nil,
	"l", []any{"x", 1, item("k", "v")}, "m", item("deep", item("er", 5)),
	"ss", stringSet("a", "b"), "ns", numberSet("1", "2"), "bs", binarySet("p"))

var conditionTable = []struct {
	condition string
	values    attributes
	holds     bool
}{
	{"n = :v", item(":v", number("10.0")), true},
	{"n = :v", item(":v", "10"), false},
	{"n <> :v", item(":v", "10"), true},
	{"n <> :v", item(":v", 10), false},
	{"absent = :v", item(":v", 10), false},
	{"absent <> :v", item(":v", 10), true},
	{"absent < :v", item(":v", 10), false},
	{"NOT absent < :v", item(":v", 10), true},
	{"n < :v", item(":v", 11), true},
	{"n < :v", item(":v", 9), false},
	{"n <= :v", item(":v", 10), true},
	{"n > :v", item(":v", number("9.999")), true},
	{"n >= :v", item(":v", 10), true},
	{"n > :v", item(":v", "1"), false},
	{"s > :v", item(":v", "hell"), true},
	{"b < :v", item(":v", []byte("c")), true},
	{"n BETWEEN :lo AND :hi", item(":lo", 10, ":hi", 10), true},
	{"n BETWEEN :lo AND :hi", item(":lo", 11, ":hi", 12), false},
	{"s BETWEEN :lo AND :hi", item(":lo", "h", ":hi", "i"), true},
	{"n IN (:a, :b)", item(":a", 9, ":b", 10), true},
	{"n IN (:a, :b)", item(":a", 9, ":b", "10"), false},
	{"t = :v", item(":v", true), true},
	{"nothing = :v", item(":v", nil), true},
	{"l = :v", item(":v", []any{"x", 1, item("k", "v")}), true},
	{"m = :v", item(":v", item("deep", item("er", 5))), true},
	{"ss = :v", item(":v", stringSet("b", "a")), true},
	{":v = n", item(":v", 10), true},
	{"attribute_exists(nothing)", nil, true},
	{"attribute_exists(absent)", nil, false},
	{"attribute_not_exists(absent)", nil, true},
	{"attribute_not_exists(n)", nil, false},
	{"begins_with(s, :p)", item(":p", "hel"), true},
	{"begins_with(s, :p)", item(":p", "ell"), false},
	{"begins_with(b, :p)", item(":p", []byte("by")), true},
	{"begins_with(absent, :p)", item(":p", "1"), false},
	{"contains(s, :e)", item(":e", "ell"), true},
	{"contains(s, :e)", item(":e", "L"), false},
	{"contains(ss, :e)", item(":e", "a"), true},
	{"contains(ss, :e)", item(":e", "ab"), false},
	{"contains(ns, :e)", item(":e", number("2.0")), true},
	{"contains(bs, :e)", item(":e", []byte("p")), true},
	{"contains(l, :e)", item(":e", 1), true},
	{"contains(l, :e)", item(":e", "1"), false},
	{"contains(n, :e)", item(":e", 1), false},
}
