package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func globalIndex(name, partition, sort string, projection types.ProjectionType, nonKey ...string) types.GlobalSecondaryIndex {
	return types.GlobalSecondaryIndex{
		IndexName: &name, KeySchema: keySchema(partition, sort),
		Projection: &types.Projection{ProjectionType: projection, NonKeyAttributes: nonKey},
	}
}

// indexed makes a table with the index "open" on (unbilled, at).
func (b *bench) indexed(projection types.ProjectionType, nonKey ...string) (table string) {
	b.Helper()
	return b.table(layout{
		indexes: []types.GlobalSecondaryIndex{globalIndex("open", "unbilled", "at", projection, nonKey...)},
		more:    []types.AttributeDefinition{define("unbilled", types.ScalarAttributeTypeS), define("at", types.ScalarAttributeTypeN)},
	})
}

// openIn is a query of the index "open".
func openIn(table, unbilled string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: &table, IndexName: aws.String("open"),
		KeyConditionExpression: aws.String("unbilled = :u"), ExpressionAttributeValues: item(":u", unbilled),
	}
}

var indexes = []check{
	{Name: "indexes/sparse and sorted", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "1", "unbilled", "s", "at", 30, "x", "y"))
		b.put(table, item("pk", "2", "unbilled", "s", "at", 4))
		b.put(table, item("pk", "3", "unbilled", "other", "at", 4))
		b.put(table, item("pk", "4", "unbilled", "s"))
		b.put(table, item("pk", "5", "at", 4))
		got := b.query(openIn(table, "s"))
		b.equal("order", column(got, "pk"), "2 1")
		b.is(got[1], item("pk", "1", "unbilled", "s", "at", 30, "x", "y"))
	}},
	{Name: "indexes/an item leaves with its key and comes back", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "a", "unbilled", "s", "at", 1))
		b.update(table, updating{update: "REMOVE unbilled"})
		b.equal("without the key", column(b.query(openIn(table, "s")), "pk"), "")
		b.update(table, updating{update: "SET unbilled = :u", values: item(":u", "s")})
		b.equal("with it", column(b.query(openIn(table, "s")), "pk"), "a")
		_, err := b.client.DeleteItem(b.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("pk", "a")})
		b.must(err)
		b.equal("deleted", column(b.query(openIn(table, "s")), "pk"), "")
	}},
	{Name: "indexes/an item moves with its key", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "a", "unbilled", "s", "at", 1))
		b.put(table, item("pk", "b", "unbilled", "s", "at", 2))
		b.update(table, updating{update: "SET #at = :at", names: map[string]string{"#at": "at"}, values: item(":at", 3)})
		b.equal("moved within", column(b.query(openIn(table, "s")), "pk"), "b a")
		b.update(table, updating{update: "SET unbilled = :u", values: item(":u", "t")})
		b.equal("moved out", column(b.query(openIn(table, "s")), "pk"), "b")
		b.equal("moved in", column(b.query(openIn(table, "t")), "pk"), "a")
	}},
	{Name: "indexes/projections", Run: func(b *bench) {
		whole := item("pk", "a", "unbilled", "s", "at", 1, "x", 1, "y", 2)
		for _, c := range []struct {
			projection types.ProjectionType
			nonKey     []string
			want       attributes
		}{
			{types.ProjectionTypeAll, nil, whole},
			{types.ProjectionTypeKeysOnly, nil, item("pk", "a", "unbilled", "s", "at", 1)},
			{types.ProjectionTypeInclude, []string{"x"}, item("pk", "a", "unbilled", "s", "at", 1, "x", 1)},
		} {
			table := b.indexed(c.projection, c.nonKey...)
			b.put(table, whole)
			b.is(b.query(openIn(table, "s"))[0], c.want)
			input := openIn(table, "s")
			input.Select = types.SelectAllAttributes
			_, err := b.client.Query(b.Context(), input)
			if c.projection == types.ProjectionTypeAll {
				b.must(err)
				continue
			}
			b.invalid(err)
		}
	}},
	{Name: "indexes/paging over equal keys", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeKeysOnly)
		for i := range 23 {
			b.put(table, item("pk", fmt.Sprintf("%02d", i), "unbilled", "s", "at", 7))
		}
		for _, forward := range []bool{true, false} {
			input := openIn(table, "s")
			input.Limit, input.ScanIndexForward = aws.Int32(5), &forward
			seen := map[string]bool{}
			for _, one := range b.query(input) {
				seen[shown(one["pk"])] = true
			}
			b.equal("items", len(seen), 23)
		}
	}},
	{Name: "indexes/a page ends with the keys of index and table", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "a", "unbilled", "s", "at", 1))
		b.put(table, item("pk", "b", "unbilled", "s", "at", 2))
		input := openIn(table, "s")
		input.Limit = aws.Int32(1)
		page, err := b.client.Query(b.Context(), input)
		b.must(err)
		b.is(page.LastEvaluatedKey, item("pk", "a", "unbilled", "s", "at", 1))
		input.ExclusiveStartKey = item("unbilled", "s", "at", 1)
		_, err = b.client.Query(b.Context(), input)
		b.invalid(err)
	}},
	{Name: "indexes/no consistent reads", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		input := openIn(table, "s")
		input.ConsistentRead = aws.Bool(true)
		_, err := b.client.Query(b.Context(), input)
		b.invalid(err, "Consistent reads are not supported on global secondary indexes")
	}},
	{Name: "indexes/no such index", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		input := openIn(table, "s")
		input.IndexName = aws.String("nonsense")
		_, err := b.client.Query(b.Context(), input)
		b.invalid(err, "The table does not have the specified index")
	}},
	{Name: "indexes/keys of the wrong type", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		for _, wrong := range []attributes{
			item("pk", "a", "unbilled", 1, "at", 1), item("pk", "a", "unbilled", "s", "at", "1"),
			item("pk", "a", "unbilled", nil, "at", 1), item("pk", "a", "unbilled", "", "at", 1),
			item("pk", "a", "unbilled", strings.Repeat("x", 2049), "at", 1),
		} {
			_, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: wrong})
			b.invalid(err)
		}
		_, err := b.tryUpdate(table, updating{update: "SET unbilled = :x", values: item(":x", 1)})
		b.invalid(err)
	}},
	{Name: "indexes/scan", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "1", "unbilled", "s", "at", 1))
		b.put(table, item("pk", "2", "unbilled", "t", "at", 1))
		b.put(table, item("pk", "3"))
		got, err := b.client.Scan(b.Context(), &dynamodb.ScanInput{TableName: &table, IndexName: aws.String("open")})
		b.must(err)
		b.equal("items", len(got.Items), 2)
	}},
	{Name: "indexes/a transaction changes them", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, item("pk", "a", "unbilled", "s", "at", 1))
		b.must(b.transact(
			putting(table, item("pk", "b", "unbilled", "s", "at", 2)),
			types.TransactWriteItem{Update: &types.Update{TableName: &table, Key: item("pk", "a"), UpdateExpression: aws.String("REMOVE unbilled")}},
		))
		b.equal("index", column(b.query(openIn(table, "s")), "pk"), "b")
	}},
}
