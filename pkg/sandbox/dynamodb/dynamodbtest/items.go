package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var items = []check{
	{Name: "items/every type comes back", Run: func(b *bench) {
		table := b.table(layout{})
		all := item("pk", "a",
			"s", "grüße 👋 \"quoted\" \\ <&>", "empty", "", "n", number("-12.5"), "b", []byte{0, 255, 1}, "t", true, "null", nil,
			"l", []any{"x", 1, []any{}, attributes{}}, "m", item("deep", item("er", []any{false})),
			"ss", stringSet("b", "a"), "ns", numberSet("3", "-1"), "bs", binarySet("y", "x"))
		b.put(table, all)
		b.is(b.get(table, item("pk", "a")), all)
	}},
	{Name: "items/numbers are exact and normalised", Run: func(b *bench) {
		table := b.table(layout{})
		for given, want := range map[string]string{
			"12345678901234567890123456789012345678": "12345678901234567890123456789012345678",
			"0.1":                                    "0.1",
			"-0":                                     "0",
			"001.500":                                "1.5",
			"1e3":                                    "1000",
			"+7":                                     "7",
			"-1.25E-2":                               "-0.0125",
			"9007199254740993":                       "9007199254740993",
			"0.00000000000000000000000000000000000001": "0.00000000000000000000000000000000000001",
		} {
			b.put(table, item("pk", "a", "n", number(given)))
			b.is(b.get(table, item("pk", "a")), item("pk", "a", "n", number(want)))
		}
	}},
	{Name: "items/numbers out of range", Run: func(b *bench) {
		table := b.table(layout{})
		for _, given := range []string{"123456789012345678901234567890123456789", "1e126", "1e-131", "x", "", "1.2.3", "0x10", "NaN"} {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "n", number(given))})
			b.invalid(err)
		}
	}},
	{Name: "items/sets are neither empty nor repeat themselves", Run: func(b *bench) {
		table := b.table(layout{})
		for _, set := range []types.AttributeValue{
			stringSet("a", "a"), numberSet("1", "1.0"), binarySet("x", "x"),
			&types.AttributeValueMemberSS{Value: []string{}},
		} {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "set", set)})
			b.invalid(err)
		}
	}},
	{Name: "items/a put replaces all and returns the old item", Run: func(b *bench) {
		table := b.table(layout{})
		put := func(made attributes) attributes {
			b.Helper()
			out, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: made, ReturnValues: types.ReturnValueAllOld})
			b.must(err)
			return out.Attributes
		}
		first := item("pk", "a", "x", 1)
		b.is(put(first), nil)
		b.is(put(item("pk", "a", "y", 2)), first)
		b.is(b.get(table, item("pk", "a")), item("pk", "a", "y", 2))
	}},
	{Name: "items/a put returns nothing but the old item", Run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: &table, Item: item("pk", "a"), ReturnValues: types.ReturnValueAllNew,
		})
		b.invalid(err)
	}},
	{Name: "items/delete is idempotent and returns the old item", Run: func(b *bench) {
		table := b.table(layout{})
		made := item("pk", "a", "x", 1)
		b.put(table, made)
		for _, want := range []attributes{made, nil} {
			out, err := b.client.DeleteItem(b.Context(), &dynamodb.DeleteItemInput{
				TableName: &table, Key: item("pk", "a"), ReturnValues: types.ReturnValueAllOld,
			})
			b.must(err)
			b.is(out.Attributes, want)
		}
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "items/get projects nested paths", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "m", item("x", 1, "y", 2), "l", []any{"zero", "one", "two"}, "dotted.name", "d"))
		got, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{
			TableName: &table, Key: item("pk", "a"),
			ProjectionExpression:     aws.String("m.x, l[2], l[0], #d, absent.x"),
			ExpressionAttributeNames: map[string]string{"#d": "dotted.name"},
		})
		b.must(err)
		b.is(got.Item, item("m", item("x", 1), "l", []any{"zero", "two"}, "dotted.name", "d"))
	}},
	{Name: "items/projections must not overlap", Run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{
			TableName: &table, Key: item("pk", "a"), ProjectionExpression: aws.String("m, m.x"),
		})
		b.invalid(err, "overlap")
	}},
	{Name: "items/consumed capacity", Run: func(b *bench) {
		table := b.table(layout{})
		out, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: &table, Item: item("pk", "a", "x", strings.Repeat("x", 1500)),
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		b.must(err)
		b.equal("write units", *out.ConsumedCapacity.CapacityUnits, 2.0)
		got, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{
			TableName: &table, Key: item("pk", "a"), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		b.must(err)
		b.equal("read units", *got.ConsumedCapacity.CapacityUnits, 0.5)
	}},
}
