package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const limit400KB = 400 << 10

var validations = []check{
	{Name: "validations/placeholders must be defined and used", Run: func(b *bench) {
		table := b.table(layout{})
		for _, c := range []struct {
			updating
			message string
		}{
			{updating{update: "SET x = :x"}, "An expression attribute value used in expression is not defined; attribute value: :x"},
			{updating{update: "SET #x = :x", values: item(":x", 1)}, "An expression attribute name used in the document path is not defined; attribute name: #x"},
			{updating{update: "SET x = :x", values: item(":x", 1, ":y", 1)}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"},
			{updating{update: "SET x = :x", values: item(":x", 1), names: map[string]string{"#y": "y"}}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}"},
			{updating{values: item(":x", 1)}, "ExpressionAttributeValues can only be specified when using expressions"},
			{updating{names: map[string]string{"#x": "x"}}, "ExpressionAttributeNames can only be specified when using expressions"},
			{updating{update: "SET x = :x", values: attributes{}}, "ExpressionAttributeValues must not be empty"},
			{updating{update: "SET x = :x", values: item(":x", 1), names: map[string]string{}}, "ExpressionAttributeNames must not be empty"},
			{updating{update: "SET x = :x", values: item(":x", 1, "y", 1)}, "ExpressionAttributeValues contains invalid key"},
		} {
			_, err := b.tryUpdate(table, c.updating)
			b.invalid(err, c.message)
		}
		b.is(b.get(table, item("pk", "a")), nil)
	}},
	{Name: "validations/one placeholder in two expressions", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "x", 1))
		b.is(b.update(table, updating{
			update: "SET y = :x", condition: "x = :x", values: item(":x", 1), returns: types.ReturnValueUpdatedNew,
		}), item("y", 1))
	}},
	{Name: "validations/reserved words", Run: func(b *bench) {
		table := b.table(layout{})
		for _, reserved := range []string{"name", "Status", "TTL", "owner", "zone", "count"} {
			_, err := b.tryUpdate(table, updating{update: "SET " + reserved + " = :x", values: item(":x", 1)})
			b.invalid(err, "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: "+reserved)
		}
		_, err := b.tryUpdate(table, updating{update: "SET m.#s = :x", names: map[string]string{"#s": "status"}, values: item(":x", 1), condition: "attribute_exists(comment)"})
		b.invalid(err, "Invalid ConditionExpression", "comment")
		b.is(b.update(table, updating{
			update: "SET #s = :x", names: map[string]string{"#s": "status"}, values: item(":x", 1), returns: types.ReturnValueAllNew,
		}), item("pk", "a", "status", 1))
	}},
	{Name: "validations/syntax errors", Run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.tryUpdate(table, updating{update: "SET x = :x garbage", values: item(":x", 1)})
		b.invalid(err, "Invalid UpdateExpression: Syntax error; token: ", "garbage")
		_, err = b.tryUpdate(table, updating{update: "SET x = 5"})
		b.invalid(err, "Syntax error; token: ")
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
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: c.item})
			b.invalid(err, c.message)
		}
		b.put(table, item("pk", strings.Repeat("k", 2048), "sk", 1))
	}},
	{Name: "validations/keys of requests", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for _, key := range []attributes{
			item("pk", "a"), item("sk", 1), item("pk", "a", "sk", "1"), item("pk", "a", "sk", 1, "x", 1), item("pk", "a", "x", 1),
		} {
			_, get := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
			_, update := b.client.UpdateItem(b.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: key})
			_, remove := b.client.DeleteItem(b.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key})
			for _, err := range []error{get, update, remove} {
				b.invalid(err, "The provided key element does not match the schema")
			}
		}
	}},
	{Name: "validations/sort keys have 1024 bytes", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeS})
		b.put(table, item("pk", "a", "sk", strings.Repeat("k", 1024)))
		for _, sort := range []string{"", strings.Repeat("k", 1025)} {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "sk", sort)})
			b.invalid(err)
		}
	}},
	{Name: "validations/empty binary keys", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeB})
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "sk", []byte{})})
		b.invalid(err)
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
			b.is(b.get(table, key), item("pk", key["pk"], "sk", key["sk"], "i", i))
		}
	}},
	{Name: "validations/equal numbers are one key", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		b.put(table, item("pk", "a", "sk", number("1.0"), "x", 1))
		b.put(table, item("pk", "a", "sk", number("1"), "x", 2))
		b.is(b.get(table, item("pk", "a", "sk", number("100e-2"))), item("pk", "a", "sk", 1, "x", 2))
	}},
	{Name: "validations/an item has 400 KB, names included", Run: func(b *bench) {
		table := b.table(layout{})
		room := limit400KB - len("pk") - len("a") - len("data")
		put := func(size int) error {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "data", strings.Repeat("x", size))})
			return err
		}
		b.must(put(room))
		b.invalid(put(room+1), "Item size has exceeded the maximum allowed size")
		_, err := b.tryUpdate(table, updating{update: "SET x = :x", values: item(":x", "y")})
		b.invalid(err, "Item size to update has exceeded the maximum allowed size")
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
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("pk", "a", "deep", nested(40))})
		b.invalid(err)
	}},
	{Name: "validations/IN has 100 values", Run: func(b *bench) {
		table := b.table(layout{})
		for count, accepted := range map[int]bool{100: true, 101: false} {
			values, names := attributes{}, []string{}
			for i := range count {
				name := fmt.Sprint(":v", i)
				values[name], names = value(i), append(names, name)
			}
			err := b.holds(table, "n IN ("+strings.Join(names, ",")+") OR attribute_not_exists(pk)", values)
			if accepted {
				b.must(err)
			} else {
				b.invalid(err)
			}
		}
	}},
	{Name: "validations/an expression has 4 KB", Run: func(b *bench) {
		table := b.table(layout{})
		_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: &table, Item: item("pk", "a"), ConditionExpression: aws.String("attribute_not_exists(pk)" + strings.Repeat(" ", 4096)),
		})
		b.invalid(err, "Expression size has exceeded the maximum allowed size")
	}},
}
