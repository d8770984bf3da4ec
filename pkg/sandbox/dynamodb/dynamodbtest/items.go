package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const limit400KB = 400 << 10

var items = []check{
	{Name: "items/every type comes back", Run: func(b *bench) {
		table := b.table(layout{})
		all := item("pk", "a",
			"s", "grüße 👋 \"quoted\" \\ <&>", "empty", "", "n", number("-12.5"), "b", []byte{0, 255, 1}, "t", true, "null", nil,
			"l", []any{"x", 1, []any{}, attributes{}}, "m", item("deep", item("er", []any{false})),
			"ss", stringSet("b", "a"), "ns", numberSet("3", "-1"), "bs", binarySet("y", "x"))
		b.put(table, all)
		b.has(table, item("pk", "a"), all)
	}},
	{Name: "items/numbers are exact and normalised", Run: func(b *bench) {
		table := b.table(layout{})
		for given, want := range map[string]string{
			"12345678901234567890123456789012345678": "12345678901234567890123456789012345678",
			"0.1":                                    "0.1", "-0": "0", "001.500": "1.5", "1e3": "1000", "+7": "7", "-1.25E-2": "-0.0125", "9007199254740993": "9007199254740993",
			"0.00000000000000000000000000000000000001": "0.00000000000000000000000000000000000001",
		} {
			b.put(table, item("pk", "a", "n", number(given)))
			b.has(table, item("pk", "a"), item("pk", "a", "n", number(want)))
		}
	}},
	{Name: "items/numbers out of range", Run: func(b *bench) {
		table := b.table(layout{})
		for _, given := range []string{"123456789012345678901234567890123456789", "1e126", "1e-131", "x", "", "1.2.3", "0x10", "NaN"} {
			b.refuse(table, write{put: item("pk", "a", "n", number(given))})
		}
	}},
	{Name: "items/sets are neither empty nor repeat themselves", Run: func(b *bench) {
		table := b.table(layout{})
		for _, set := range []types.AttributeValue{
			stringSet("a", "a"), numberSet("1", "1.0"), binarySet("x", "x"), &types.AttributeValueMemberSS{Value: []string{}},
		} {
			b.refuse(table, write{put: item("pk", "a", "set", set)})
		}
	}},
	{Name: "items/a put replaces all and returns the old item", Run: func(b *bench) {
		table := b.table(layout{})
		first, second := item("pk", "a", "x", 1), item("pk", "a", "y", 2)
		b.is(b.write(table, write{put: first, returns: types.ReturnValueAllOld}), nil)
		b.is(b.write(table, write{put: second, returns: types.ReturnValueAllOld}), first)
		b.has(table, item("pk", "a"), second)
		b.refuse(table, write{put: first, returns: types.ReturnValueAllNew})
	}},
	{Name: "items/delete is idempotent and returns the old item", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1))
		for _, want := range []attributes{item("pk", "a", "x", 1), nil} {
			b.is(b.write(table, write{returns: types.ReturnValueAllOld}), want)
		}
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "items/get projects attributes", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1, "y", 2, "dotted.name", "d"))
		input := &dynamodb.GetItemInput{
			TableName: &table, Key: item("pk", "a"), ProjectionExpression: aws.String("x, #d, absent"),
			ExpressionAttributeNames: map[string]string{"#d": "dotted.name"},
		}
		got, err := b.client.GetItem(b.Context(), input)
		b.must(err)
		b.is(got.Item, item("x", 1, "dotted.name", "d"))
		input.ProjectionExpression, input.ExpressionAttributeNames = aws.String("x, x"), nil
		_, err = b.client.GetItem(b.Context(), input)
		b.invalid(err, "overlap")
	}},
}

var validations = []check{
	{Name: "validations/placeholders must be defined and used", Run: func(b *bench) {
		table := b.table(layout{})
		for _, c := range []struct {
			write
			message string
		}{
			{write{update: "SET x = :x"}, "An expression attribute value used in expression is not defined; attribute value: :x"},
			{write{update: "SET #x = :x", values: item(":x", 1)}, "An expression attribute name used in the document path is not defined; attribute name: #x"},
			{write{update: "SET x = :x", values: item(":x", 1, ":y", 1)}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"},
			{write{update: "SET x = :x", values: item(":x", 1), names: map[string]string{"#y": "y"}}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}"},
			{write{isUpdate: true, values: item(":x", 1)}, "ExpressionAttributeValues can only be specified when using expressions"},
			{write{isUpdate: true, names: map[string]string{"#x": "x"}}, "ExpressionAttributeNames can only be specified when using expressions"},
			{write{update: "SET x = :x", values: attributes{}}, "ExpressionAttributeValues must not be empty"},
			{write{update: "SET x = :x", values: item(":x", 1), names: map[string]string{}}, "ExpressionAttributeNames must not be empty"},
			{write{update: "SET x = :x", values: item(":x", 1, "y", 1)}, "ExpressionAttributeValues contains invalid key"},
		} {
			b.refuse(table, c.write, c.message)
		}
		b.has(table, item("pk", "a"), nil)
	}},
	{Name: "validations/one placeholder in two expressions", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1))
		got := b.write(table, write{update: "SET y = :x", condition: "x = :x", values: item(":x", 1), returns: types.ReturnValueUpdatedNew})
		b.is(got, item("y", 1))
	}},
	{Name: "validations/reserved words", Run: func(b *bench) {
		table := b.table(layout{})
		for _, reserved := range []string{"name", "Status", "TTL", "owner", "zone", "count"} {
			b.refuse(table, write{update: "SET " + reserved + " = :x", values: item(":x", 1)},
				"Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: "+reserved)
		}
		status := map[string]string{"#s": "status"}
		b.refuse(table, write{update: "SET #s = :x", names: status, values: item(":x", 1), condition: "attribute_exists(comment)"},
			"Invalid ConditionExpression", "comment")
		got := b.write(table, write{update: "SET #s = :x", names: status, values: item(":x", 1), returns: types.ReturnValueAllNew})
		b.is(got, item("pk", "a", "status", 1))
	}},
	{Name: "validations/syntax errors", Run: func(b *bench) {
		table := b.table(layout{})
		b.refuse(table, write{update: "SET x = :x garbage", values: item(":x", 1)}, "Invalid UpdateExpression: Syntax error; token: ", "garbage")
		b.refuse(table, write{update: "SET x = 5"}, "Syntax error; token: ")
	}},
	{Name: "validations/keys of items", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for _, c := range []struct {
			item    attributes
			message string
		}{
			{item("pk", "a"), "Missing the key sk in the item"},
			{item("sk", 1), "Missing the key pk in the item"},
			{item("pk", "a", "sk", "1"), "Type mismatch for key sk expected: N actual: S"},
			{item("pk", 1, "sk", 1), "Type mismatch for key pk expected: S actual: N"},
			{item("pk", nil, "sk", 1), "Type mismatch for key pk expected: S actual: NULL"},
			{item("pk", "", "sk", 1), "empty string value. Key: pk"},
			{item("pk", strings.Repeat("k", 2049), "sk", 1), "2048"},
		} {
			b.refuse(table, write{put: c.item}, c.message)
		}
		b.put(table, item("pk", strings.Repeat("k", 2048), "sk", 1))
	}},
	{Name: "validations/keys of requests", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for _, key := range []attributes{
			item("pk", "a"), item("sk", 1), item("pk", "a", "sk", "1"), item("pk", "a", "sk", 1, "x", 1), item("pk", "a", "x", 1),
		} {
			const message = "The provided key element does not match the schema"
			_, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
			b.invalid(err, message)
			b.refuse(table, write{key: key, isUpdate: true}, message)
			b.refuse(table, write{key: key}, message)
		}
	}},
	{Name: "validations/sort keys have 1024 bytes", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeS})
		b.put(table, item("pk", "a", "sk", strings.Repeat("k", 1024)))
		b.refuse(table, write{put: item("pk", "a", "sk", strings.Repeat("k", 1025))})
		b.refuse(table, write{put: item("pk", "a", "sk", "")})
	}},
	{Name: "validations/keys never collide", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeS})
		keys := []attributes{
			item("pk", "a.b", "sk", "c"), item("pk", "a", "sk", "b.c"), item("pk", "a|b", "sk", "c"), item("pk", "a", "sk", "b|c"),
			item("pk", "a\x00", "sk", "c"), item("pk", "a", "sk", "\x00c"), item("pk", "ab", "sk", "c"), item("pk", "a", "sk", "bc"),
		}
		for i, key := range keys {
			b.put(table, item("pk", key["pk"], "sk", key["sk"], "i", i))
		}
		for i, key := range keys {
			b.has(table, key, item("pk", key["pk"], "sk", key["sk"], "i", i))
		}
	}},
	{Name: "validations/equal numbers are one key", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		b.put(table, item("pk", "a", "sk", number("1.0"), "x", 1), item("pk", "a", "sk", number("1"), "x", 2))
		b.has(table, item("pk", "a", "sk", number("100e-2")), item("pk", "a", "sk", 1, "x", 2))
	}},
	{Name: "validations/an item has 400 KB, names included", Run: func(b *bench) {
		table := b.table(layout{})
		room := limit400KB - len("pk") - len("a") - len("data")
		b.put(table, item("pk", "a", "data", strings.Repeat("x", room)))
		b.refuse(table, write{put: item("pk", "a", "data", strings.Repeat("x", room+1))}, "maximum allowed size")
		b.refuse(table, write{update: "SET x = :x", values: item(":x", "y")}, "maximum allowed size")
	}},
	{Name: "validations/nesting has 32 levels", Run: func(b *bench) {
		table := b.table(layout{})
		nested := func(levels int) types.AttributeValue {
			deep := value("bottom")
			for range levels {
				deep = value([]any{deep})
			}
			return deep
		}
		b.put(table, item("pk", "a", "deep", nested(31)))
		b.refuse(table, write{put: item("pk", "a", "deep", nested(40))})
	}},
	{Name: "validations/IN has 100 values", Run: func(b *bench) {
		table := b.table(layout{})
		in := func(count int) write {
			values, names := attributes{}, []string{}
			for i := range count {
				name := fmt.Sprint(":v", i)
				values[name], names = value(i), append(names, name)
			}
			return write{put: item("pk", "a"), condition: "n IN (" + strings.Join(names, ",") + ") OR attribute_not_exists(pk)", values: values}
		}
		b.write(table, in(100))
		b.refuse(table, in(101))
	}},
	{Name: "validations/an expression has 4 KB", Run: func(b *bench) {
		b.refuse(b.table(layout{}), write{put: item("pk", "a"), condition: "attribute_not_exists(pk)" + strings.Repeat(" ", 4096)},
			"Expression size has exceeded the maximum allowed size")
	}},
}
