package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// events creates a table with sort keys 0 to n-1 in the partition pk=a, and other partitions.
func (b *bench) events(n int) (table string) {
	b.Helper()
	table = b.table(layout{sort: types.ScalarAttributeTypeN})
	for i := range n {
		b.put(table, item("pk", "a", "sk", i, "even", i%2 == 0))
	}
	b.put(table, item("pk", "aa", "sk", 1), item("pk", "A", "sk", 1))
	return table
}

// sorted creates a table with these sort keys in the partition pk=a.
func (b *bench) sorted(keyType types.ScalarAttributeType, keys ...any) (table string) {
	b.Helper()
	table = b.table(layout{sort: keyType})
	for _, key := range keys {
		b.put(table, item("pk", "a", "sk", key))
	}
	return table
}

// large creates a table with 8 items of 300 KB in the partition pk=a.
func (b *bench) large() (table string) {
	b.Helper()
	table = b.table(layout{sort: types.ScalarAttributeTypeN})
	for i := range 8 {
		b.put(table, item("pk", "a", "sk", i, "data", strings.Repeat("x", 300<<10)))
	}
	return table
}

// partition returns a query of the partition pk=a.
func partition(table, more string, values ...any) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &table,
		KeyConditionExpression:    aws.String("pk = :pk" + more),
		ExpressionAttributeValues: item(append([]any{":pk", "a"}, values...)...),
	}
}

// order requires the sort keys of a query's items.
func (b *bench) order(input *dynamodb.QueryInput, forward bool, want string) {
	b.Helper()
	input.ScanIndexForward = &forward
	b.equal(*input.KeyConditionExpression, column(b.query(input), "sk"), want)
}

// refuseQuery requires a query to be invalid.
func (b *bench) refuseQuery(input *dynamodb.QueryInput, fragments ...string) {
	b.Helper()
	_, err := b.client.Query(b.Context(), input)
	if err == nil {
		b.Fatalf("%s: no error", *input.KeyConditionExpression)
	}
	b.invalid(err, fragments...)
}

func (b *bench) page(input *dynamodb.QueryInput) *dynamodb.QueryOutput {
	b.Helper()
	page, err := b.client.Query(b.Context(), input)
	b.must(err)
	return page
}

var queries = []check{
	{Name: "queries/numeric order, both ways", Run: func(b *bench) {
		var keys []any
		for key := range strings.FieldsSeq("10 9 -1 -10 0 1.5 -1.25 100 1e20 -1e20 0.001 -9 -100 1.25") {
			keys = append(keys, number(key))
		}
		table := b.sorted(types.ScalarAttributeTypeN, keys...)
		b.order(partition(table, ""), true, "-100000000000000000000 -100 -10 -9 -1.25 -1 0 0.001 1.25 1.5 9 10 100 100000000000000000000")
		b.order(partition(table, ""), false, "100000000000000000000 100 10 9 1.5 1.25 0.001 0 -1 -1.25 -9 -10 -100 -100000000000000000000")
	}},
	{Name: "queries/strings are ordered by bytes", Run: func(b *bench) {
		table := b.sorted(types.ScalarAttributeTypeS, "b", "a", "B", "aa", "é", "~", "a_", "10", "9")
		b.order(partition(table, ""), true, "10 9 B a a_ aa b ~ é")
	}},
	{Name: "queries/ranges", Run: func(b *bench) {
		table := b.events(10)
		for _, c := range []struct {
			more   string
			values []any
			want   string
		}{
			{" AND sk = :x", []any{":x", 3}, "3"},
			{" AND sk = :x", []any{":x", 30}, ""},
			{" AND sk < :x", []any{":x", 3}, "0 1 2"},
			{" AND sk <= :x", []any{":x", 3}, "0 1 2 3"},
			{" AND sk > :x", []any{":x", 7}, "8 9"},
			{" AND sk >= :x", []any{":x", number("7.0")}, "7 8 9"},
			{" AND sk BETWEEN :x AND :y", []any{":x", 3, ":y", 5}, "3 4 5"},
			{" AND sk BETWEEN :x AND :y", []any{":x", number("2.5"), ":y", number("3.5")}, "3"},
		} {
			b.order(partition(table, c.more, c.values...), true, c.want)
		}
	}},
	{Name: "queries/begins_with", Run: func(b *bench) {
		const prefix = " AND begins_with(sk, :x)"
		table := b.sorted(types.ScalarAttributeTypeS, "2026-01", "2026-01-31", "2026-02", "2025-12", "2026", "2027")
		b.order(partition(table, prefix, ":x", "2026-01"), true, "2026-01 2026-01-31")
		b.order(partition(table, prefix, ":x", "2026-01"), false, "2026-01-31 2026-01")
	}},
	{Name: "queries/conditions that no key can meet", Run: func(b *bench) {
		table := b.events(1)
		for _, c := range []struct {
			condition string
			values    attributes
		}{
			{"sk = :x", item(":x", 1)},
			{"pk > :x", item(":x", "a")},
			{"pk = :x AND other = :y", item(":x", "a", ":y", 1)},
			{"pk = :x OR pk = :y", item(":x", "a", ":y", "b")},
			{"NOT pk = :x", item(":x", "a")},
			{"pk = :x AND sk <> :y", item(":x", "a", ":y", 1)},
			{"pk = :x AND sk IN (:y)", item(":x", "a", ":y", 1)},
			{"pk = :x AND sk > :y AND sk < :z", item(":x", "a", ":y", 1, ":z", 2)},
			{"pk = :x", item(":x", 1)},
			{"pk = :x AND sk = :y", item(":x", "a", ":y", "1")},
			{"pk = :x", item(":x", "")},
			{"attribute_exists(pk)", nil},
		} {
			b.refuseQuery(&dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: c.values})
		}
	}},
	{Name: "queries/pages by limit, both ways", Run: func(b *bench) {
		table := b.events(10)
		for forward, want := range map[bool]string{true: "2 3 4|5 6 7|8 9", false: "9 8 7|6 5 4|3 2"} {
			input := partition(table, " AND sk >= :x", ":x", 2)
			input.Limit, input.ScanIndexForward = aws.Int32(3), &forward
			var got []string
			for range 4 {
				page := b.page(input)
				got = append(got, column(page.Items, "sk"))
				input.ExclusiveStartKey = page.LastEvaluatedKey
				if len(page.LastEvaluatedKey) == 0 {
					break
				}
			}
			b.equal("pages", strings.Join(got, "|"), want)
		}
	}},
	{Name: "queries/a page goes on from a key that does not exist", Run: func(b *bench) {
		input := partition(b.events(4), "")
		input.ExclusiveStartKey = item("pk", "a", "sk", number("1.5"))
		b.order(input, true, "2 3")
	}},
	{Name: "queries/invalid start keys", Run: func(b *bench) {
		table := b.events(4)
		for _, key := range []attributes{item("pk", "a"), item("pk", "a", "sk", "x"), item("pk", "a", "sk", 1, "z", 1), item("pk", "other", "sk", 1)} {
			input := partition(table, "")
			input.ExclusiveStartKey = key
			b.refuseQuery(input)
		}
	}},
	{Name: "queries/limit counts before the filter", Run: func(b *bench) {
		table := b.events(10)
		input := partition(table, "", ":even", false)
		input.FilterExpression, input.Limit = aws.String("even = :even"), aws.Int32(5)
		page := b.page(input)
		b.equal("items", column(page.Items, "sk"), "1 3")
		b.equal("count", page.Count, int32(2))
		b.equal("scanned", page.ScannedCount, int32(5))
		b.is(page.LastEvaluatedKey, item("pk", "a", "sk", 4))
		input.FilterExpression = aws.String("absent = :even")
		page = b.page(input)
		b.equal("items", len(page.Items), 0)
		b.is(page.LastEvaluatedKey, item("pk", "a", "sk", 4))
		input.Limit = aws.Int32(0)
		b.refuseQuery(input)
	}},
	{Name: "queries/no filter on the key", Run: func(b *bench) {
		input := partition(b.events(1), "", ":x", 1)
		input.FilterExpression = aws.String("sk > :x")
		b.refuseQuery(input, "Filter Expression can only contain non-primary key attributes")
	}},
	{Name: "queries/count and projection", Run: func(b *bench) {
		table := b.events(3)
		input := partition(table, "")
		input.Select = types.SelectCount
		counted := b.page(input)
		b.equal("count", counted.Count, int32(3))
		b.equal("items", len(counted.Items), 0)
		input = partition(table, " AND sk = :x", ":x", 1)
		input.ProjectionExpression = aws.String("even, sk")
		b.is(b.query(input)[0], item("even", false, "sk", 1))
	}},
	{Name: "queries/a page has 1 MB, before the filter", Run: func(b *bench) {
		input := partition(b.large(), "", ":x", 1)
		input.FilterExpression = aws.String("absent = :x")
		var scanned []int32
		for pages := dynamodb.NewQueryPaginator(b.client, input); pages.HasMorePages(); {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			scanned = append(scanned, page.ScannedCount)
		}
		b.pagesOfOneMB(scanned)
	}},
}

// pagesOfOneMB requires 8 items of 300 KB to be read in pages of at most 1 MB.
func (b *bench) pagesOfOneMB(scanned []int32) {
	b.Helper()
	total := int32(0)
	for _, items := range scanned {
		total += items
		if items > 4 {
			b.Fatalf("%d items of 300 KB on a page", items)
		}
	}
	b.equal("scanned", total, int32(8))
}

var scans = []check{
	{Name: "scans/pages by limit", Run: func(b *bench) {
		table := b.events(10)
		seen := map[string]bool{}
		pages := dynamodb.NewScanPaginator(b.client, &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(5)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			if len(page.Items) > 5 {
				b.Fatalf("%d items on a page of 5", len(page.Items))
			}
			for _, one := range page.Items {
				key := shown(one["pk"]) + shown(one["sk"])
				if seen[key] {
					b.Fatalf("%s twice", key)
				}
				seen[key] = true
			}
		}
		b.equal("items", len(seen), 12)
	}},
	{Name: "scans/a page has 1 MB, before the filter", Run: func(b *bench) {
		table := b.large()
		var scanned []int32
		input := &dynamodb.ScanInput{TableName: &table, FilterExpression: aws.String("attribute_exists(absent)")}
		for pages := dynamodb.NewScanPaginator(b.client, input); pages.HasMorePages(); {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			scanned = append(scanned, page.ScannedCount)
		}
		b.pagesOfOneMB(scanned)
	}},
	{Name: "scans/limit counts before the filter", Run: func(b *bench) {
		table := b.table(layout{})
		for i := range 10 {
			b.put(table, item("pk", fmt.Sprint(i)))
		}
		page, err := b.client.Scan(b.Context(), &dynamodb.ScanInput{
			TableName: &table, Limit: aws.Int32(4), FilterExpression: aws.String("attribute_exists(absent)"),
		})
		b.must(err)
		b.equal("items", len(page.Items), 0)
		b.equal("scanned", page.ScannedCount, int32(4))
		b.equal("parts of the last key", len(page.LastEvaluatedKey), 1)
	}},
	{Name: "scans/filter and count", Run: func(b *bench) {
		table := b.events(10)
		got, err := b.client.Scan(b.Context(), &dynamodb.ScanInput{
			TableName: &table, FilterExpression: aws.String("even = :even AND sk > :x"),
			ExpressionAttributeValues: item(":even", true, ":x", 4), Select: types.SelectCount,
		})
		b.must(err)
		b.equal("count", got.Count, int32(2))
		b.equal("scanned", got.ScannedCount, int32(12))
		b.equal("items", len(got.Items), 0)
	}},
}
