package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// events fills the partition pk=a with sort keys 0 to n-1, and others beside it.
func (b *bench) events(n int) (table string) {
	b.Helper()
	table = b.table(layout{sort: types.ScalarAttributeTypeN})
	for i := range n {
		b.put(table, item("pk", "a", "sk", i, "even", i%2 == 0))
	}
	b.put(table, item("pk", "aa", "sk", 1))
	b.put(table, item("pk", "A", "sk", 1))
	return table
}

// partition is a query of the partition pk=a.
func partition(table, more string, values ...any) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &table,
		KeyConditionExpression:    aws.String("pk = :pk" + more),
		ExpressionAttributeValues: item(append([]any{":pk", "a"}, values...)...),
	}
}

var queries = []check{
	{Name: "queries/numeric order, both ways", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for _, sort := range []string{"10", "9", "-1", "-10", "0", "1.5", "-1.25", "100", "1e20", "-1e20", "0.001", "-9", "-100", "1.25"} {
			b.put(table, item("pk", "a", "sk", number(sort)))
		}
		input := partition(table, "")
		b.equal("forward", column(b.query(input), "sk"),
			"-100000000000000000000 -100 -10 -9 -1.25 -1 0 0.001 1.25 1.5 9 10 100 100000000000000000000")
		input.ScanIndexForward = aws.Bool(false)
		b.equal("backward", column(b.query(input), "sk"),
			"100000000000000000000 100 10 9 1.5 1.25 0.001 0 -1 -1.25 -9 -10 -100 -100000000000000000000")
	}},
	{Name: "queries/strings are ordered by bytes", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeS})
		for _, sort := range []string{"b", "a", "B", "aa", "é", "~", "a ", "10", "9"} {
			b.put(table, item("pk", "a", "sk", sort))
		}
		b.equal("order", strings.ReplaceAll(column(b.query(partition(table, "")), "sk"), "a  ", "a_ "), "10 9 B a a_ aa b ~ é")
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
			b.equal(c.more, column(b.query(partition(table, c.more, c.values...)), "sk"), c.want)
		}
	}},
	{Name: "queries/begins_with", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeS})
		for _, sort := range []string{"2026-01", "2026-01-31", "2026-02", "2025-12", "2026", "2027"} {
			b.put(table, item("pk", "a", "sk", sort))
		}
		input := partition(table, " AND begins_with(sk, :x)", ":x", "2026-01")
		b.equal("prefix", column(b.query(input), "sk"), "2026-01 2026-01-31")
		input.ScanIndexForward = aws.Bool(false)
		b.equal("backward", column(b.query(input), "sk"), "2026-01-31 2026-01")
	}},
	{Name: "queries/begins_with of the highest bytes", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeB})
		for _, sort := range [][]byte{{0xff}, {0xff, 0xff}, {0xfe, 0xff}, {0xfe, 0xff, 1}, {0xfe}} {
			b.put(table, item("pk", "a", "sk", sort))
		}
		b.equal("ff", column(b.query(partition(table, " AND begins_with(sk, :x)", ":x", []byte{0xff})), "sk"), "ff ffff")
		b.equal("feff", column(b.query(partition(table, " AND begins_with(sk, :x)", ":x", []byte{0xfe, 0xff})), "sk"), "feff feff01")
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
			_, err := b.client.Query(b.Context(), &dynamodb.QueryInput{
				TableName: &table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: c.values,
			})
			if err == nil {
				b.Fatalf("%s: no error", c.condition)
			}
			b.invalid(err)
		}
	}},
	{Name: "queries/pages by limit, both ways", Run: func(b *bench) {
		table := b.events(10)
		for _, forward := range []bool{true, false} {
			input := partition(table, " AND sk >= :x", ":x", 2)
			input.Limit, input.ScanIndexForward = aws.Int32(3), &forward
			var got []string
			for range 4 {
				page, err := b.client.Query(b.Context(), input)
				b.must(err)
				got = append(got, column(page.Items, "sk"))
				input.ExclusiveStartKey = page.LastEvaluatedKey
				if len(page.LastEvaluatedKey) == 0 {
					break
				}
			}
			want := "2 3 4|5 6 7|8 9"
			if !forward {
				want = "9 8 7|6 5 4|3 2"
			}
			b.equal("pages", strings.Join(got, "|"), want)
		}
	}},
	{Name: "queries/a page goes on from a key that is gone", Run: func(b *bench) {
		table := b.events(4)
		input := partition(table, "")
		input.ExclusiveStartKey = item("pk", "a", "sk", number("1.5"))
		b.equal("rest", column(b.query(input), "sk"), "2 3")
	}},
	{Name: "queries/start keys that are no keys", Run: func(b *bench) {
		table := b.events(4)
		for _, key := range []attributes{item("pk", "a"), item("pk", "a", "sk", "x"), item("pk", "a", "sk", 1, "z", 1), item("pk", "other", "sk", 1)} {
			input := partition(table, "")
			input.ExclusiveStartKey = key
			_, err := b.client.Query(b.Context(), input)
			b.invalid(err)
		}
	}},
	{Name: "queries/limit counts before the filter", Run: func(b *bench) {
		table := b.events(10)
		input := partition(table, "", ":even", false)
		input.FilterExpression = aws.String("even = :even")
		input.Limit = aws.Int32(5)
		page, err := b.client.Query(b.Context(), input)
		b.must(err)
		b.equal("items", column(page.Items, "sk"), "1 3")
		b.equal("count", page.Count, int32(2))
		b.equal("scanned", page.ScannedCount, int32(5))
		b.is(page.LastEvaluatedKey, item("pk", "a", "sk", 4))
	}},
	{Name: "queries/an empty page with more to come", Run: func(b *bench) {
		table := b.events(4)
		input := partition(table, "", ":x", 1)
		input.FilterExpression = aws.String("absent = :x")
		input.Limit = aws.Int32(2)
		page, err := b.client.Query(b.Context(), input)
		b.must(err)
		b.equal("items", len(page.Items), 0)
		b.is(page.LastEvaluatedKey, item("pk", "a", "sk", 1))
	}},
	{Name: "queries/no filter on the key", Run: func(b *bench) {
		table := b.events(1)
		input := partition(table, "", ":x", 1)
		input.FilterExpression = aws.String("sk > :x")
		_, err := b.client.Query(b.Context(), input)
		b.invalid(err, "Filter Expression can only contain non-primary key attributes")
	}},
	{Name: "queries/count, projection, select", Run: func(b *bench) {
		table := b.events(3)
		input := partition(table, "")
		input.Select = types.SelectCount
		counted, err := b.client.Query(b.Context(), input)
		b.must(err)
		b.equal("count", counted.Count, int32(3))
		b.equal("items", len(counted.Items), 0)

		input = partition(table, " AND sk = :x", ":x", 1)
		input.ProjectionExpression = aws.String("even, sk")
		b.is(b.query(input)[0], item("even", false, "sk", 1))

		input.Select = types.SelectAllAttributes
		_, err = b.client.Query(b.Context(), input)
		b.invalid(err)
		input.Select = types.SelectCount
		_, err = b.client.Query(b.Context(), input)
		b.invalid(err)
	}},
	{Name: "queries/a page has 1 MB, before the filter", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for i := range 8 {
			b.put(table, item("pk", "a", "sk", i, "data", strings.Repeat("x", 300<<10)))
		}
		input := partition(table, "", ":x", 1)
		input.FilterExpression = aws.String("absent = :x")
		pages, scanned := 0, 0
		for {
			page, err := b.client.Query(b.Context(), input)
			b.must(err)
			pages++
			scanned += int(page.ScannedCount)
			if page.ScannedCount > 4 {
				b.Fatalf("%d items of 300 KB on a page", page.ScannedCount)
			}
			if len(page.LastEvaluatedKey) == 0 {
				break
			}
			input.ExclusiveStartKey = page.LastEvaluatedKey
		}
		b.equal("scanned", scanned, 8)
		if pages < 2 {
			b.Fatal("2.4 MB on one page")
		}
	}},
	{Name: "queries/limits that are no limits", Run: func(b *bench) {
		table := b.events(1)
		input := partition(table, "")
		input.Limit = aws.Int32(0)
		_, err := b.client.Query(b.Context(), input)
		b.invalid(err)
	}},
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
				if key := shown(one["pk"]) + shown(one["sk"]); seen[key] {
					b.Fatalf("%s twice", key)
				} else {
					seen[key] = true
				}
			}
		}
		b.equal("items", len(seen), 12)
	}},
	{Name: "scans/a page has 1 MB, before the filter", Run: func(b *bench) {
		table := b.table(layout{})
		for i := range 8 {
			b.put(table, item("pk", fmt.Sprint(i), "data", strings.Repeat("x", 300<<10)))
		}
		input := &dynamodb.ScanInput{TableName: &table, FilterExpression: aws.String("attribute_exists(absent)")}
		pages, scanned := 0, 0
		for scan := dynamodb.NewScanPaginator(b.client, input); scan.HasMorePages(); pages++ {
			page, err := scan.NextPage(b.Context())
			b.must(err)
			scanned += int(page.ScannedCount)
			if page.ScannedCount > 4 {
				b.Fatalf("%d items of 300 KB on a page", page.ScannedCount)
			}
		}
		b.equal("scanned", scanned, 8)
		if pages < 2 {
			b.Fatal("2.4 MB on one page")
		}
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
	{Name: "scans/segments part the table", Run: func(b *bench) {
		table := b.table(layout{sort: types.ScalarAttributeTypeN})
		for i := range 60 {
			b.put(table, item("pk", fmt.Sprint("p", i%20), "sk", i))
		}
		seen := map[string]int{}
		for segment := range int32(4) {
			pages := dynamodb.NewScanPaginator(b.client, &dynamodb.ScanInput{
				TableName: &table, Segment: &segment, TotalSegments: aws.Int32(4), Limit: aws.Int32(4),
			})
			for pages.HasMorePages() {
				page, err := pages.NextPage(b.Context())
				b.must(err)
				for _, one := range page.Items {
					seen[shown(one["sk"])]++
				}
			}
		}
		b.equal("items", len(seen), 60)
		for key, times := range seen {
			b.equal(key, times, 1)
		}
	}},
	{Name: "scans/segments that are none", Run: func(b *bench) {
		table := b.table(layout{})
		for _, input := range []*dynamodb.ScanInput{
			{Segment: aws.Int32(4), TotalSegments: aws.Int32(4)},
			{Segment: aws.Int32(0)},
			{TotalSegments: aws.Int32(2)},
		} {
			input.TableName = &table
			_, err := b.client.Scan(b.Context(), input)
			b.invalid(err)
		}
	}},
}
