package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func globalIndex(name, partition, sort string, projection types.ProjectionType) types.GlobalSecondaryIndex {
	return types.GlobalSecondaryIndex{
		IndexName: &name, KeySchema: keySchema(partition, sort),
		Projection: &types.Projection{ProjectionType: projection},
	}
}

// indexed creates a table with the index "open" on (unbilled, at).
func (b *bench) indexed(projection types.ProjectionType) (table string) {
	b.Helper()
	return b.table(layout{
		indexes: []types.GlobalSecondaryIndex{globalIndex("open", "unbilled", "at", projection)},
		more:    []types.AttributeDefinition{define("unbilled", types.ScalarAttributeTypeS), define("at", types.ScalarAttributeTypeN)},
	})
}

// openIn returns a query of the index "open".
func openIn(table, unbilled string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: &table, IndexName: aws.String("open"),
		KeyConditionExpression: aws.String("unbilled = :u"), ExpressionAttributeValues: item(":u", unbilled),
	}
}

// openItems requires the keys of the items that the index has.
func (b *bench) openItems(table, unbilled, want string) {
	b.Helper()
	b.equal("items of "+unbilled, column(b.query(openIn(table, unbilled)), "pk"), want)
}

func open(pk, unbilled string, at int) attributes {
	return item("pk", pk, "unbilled", unbilled, "at", at)
}

var indexes = []check{
	{Name: "indexes/sparse and sorted", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, open("1", "s", 30), open("2", "s", 4), open("3", "other", 4), item("pk", "4", "unbilled", "s"), item("pk", "5", "at", 4))
		b.openItems(table, "s", "2 1")
		got, err := b.client.Scan(b.Context(), &dynamodb.ScanInput{TableName: &table, IndexName: aws.String("open")})
		b.must(err)
		b.equal("all items", len(got.Items), 3)
	}},
	{Name: "indexes/an item leaves with its key and comes back", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, open("a", "s", 1))
		b.write(table, write{update: "REMOVE unbilled"})
		b.openItems(table, "s", "")
		b.write(table, write{update: "SET unbilled = :u", values: item(":u", "s")})
		b.openItems(table, "s", "a")
		b.write(table, write{})
		b.openItems(table, "s", "")
	}},
	{Name: "indexes/an item moves with its key", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		b.put(table, open("a", "s", 1), open("b", "s", 2))
		b.write(table, write{update: "SET #at = :at", names: map[string]string{"#at": "at"}, values: item(":at", 3)})
		b.openItems(table, "s", "b a")
		b.write(table, write{update: "SET unbilled = :u", values: item(":u", "t")})
		b.openItems(table, "s", "b")
		b.openItems(table, "t", "a")
		b.must(b.transact(table, write{put: open("c", "s", 1)}, write{update: "REMOVE unbilled"}))
		b.openItems(table, "s", "c b")
		b.openItems(table, "t", "")
	}},
	{Name: "indexes/projected attributes", Run: func(b *bench) {
		whole := item("pk", "a", "unbilled", "s", "at", 1, "x", 1)
		for projection, want := range map[types.ProjectionType]attributes{
			types.ProjectionTypeAll: whole, types.ProjectionTypeKeysOnly: open("a", "s", 1),
		} {
			table := b.indexed(projection)
			b.put(table, whole)
			b.is(b.query(openIn(table, "s"))[0], want)
		}
	}},
	{Name: "indexes/paging over equal keys", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeKeysOnly)
		for i := range 23 {
			b.put(table, open(fmt.Sprintf("%02d", i), "s", 7))
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
		b.put(table, open("a", "s", 1), open("b", "s", 2))
		input := openIn(table, "s")
		input.Limit = aws.Int32(1)
		b.is(b.page(input).LastEvaluatedKey, open("a", "s", 1))
		input.ExclusiveStartKey = item("unbilled", "s", "at", 1)
		b.refuseQuery(input)
	}},
	{Name: "indexes/no consistent reads", Run: func(b *bench) {
		input := openIn(b.indexed(types.ProjectionTypeAll), "s")
		input.ConsistentRead = aws.Bool(true)
		b.refuseQuery(input, "Consistent reads are not supported on global secondary indexes")
	}},
	{Name: "indexes/no such index", Run: func(b *bench) {
		input := openIn(b.indexed(types.ProjectionTypeAll), "s")
		input.IndexName = aws.String("nonsense")
		b.refuseQuery(input, "The table does not have the specified index")
	}},
	{Name: "indexes/keys of the wrong type", Run: func(b *bench) {
		table := b.indexed(types.ProjectionTypeAll)
		for _, wrong := range []attributes{
			item("pk", "a", "unbilled", 1, "at", 1), item("pk", "a", "unbilled", "s", "at", "1"),
			item("pk", "a", "unbilled", nil, "at", 1), item("pk", "a", "unbilled", "", "at", 1),
			item("pk", "a", "unbilled", strings.Repeat("x", 2049), "at", 1),
		} {
			b.refuse(table, write{put: wrong})
		}
		b.refuse(table, write{update: "SET unbilled = :x", values: item(":x", 1)})
	}},
}
