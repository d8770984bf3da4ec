package dynamodbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// bench is the environment of a check.
type bench struct {
	*testing.T
	client *dynamodb.Client
}

// attributes is an item, a key or the values of placeholders.
type attributes = map[string]types.AttributeValue

// number is a value that is written as a number.
type number string

// value returns the attribute value of a Go value.
func value(v any) types.AttributeValue {
	switch v := v.(type) {
	case types.AttributeValue:
		return v
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case number:
		return &types.AttributeValueMemberN{Value: string(v)}
	case int:
		return &types.AttributeValueMemberN{Value: fmt.Sprint(v)}
	case []byte:
		return &types.AttributeValueMemberB{Value: v}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case []any:
		list := []types.AttributeValue{}
		for _, element := range v {
			list = append(list, value(element))
		}
		return &types.AttributeValueMemberL{Value: list}
	case attributes:
		return &types.AttributeValueMemberM{Value: v}
	}
	panic(fmt.Sprintf("no attribute value for %T", v))
}

func stringSet(elements ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: elements}
}

func numberSet(elements ...string) types.AttributeValue {
	return &types.AttributeValueMemberNS{Value: elements}
}

func binarySet(elements ...string) types.AttributeValue {
	var set [][]byte
	for _, element := range elements {
		set = append(set, []byte(element))
	}
	return &types.AttributeValueMemberBS{Value: set}
}

// item makes an item of alternating names and values.
func item(namesAndValues ...any) attributes {
	made := attributes{}
	for i := 0; i < len(namesAndValues); i += 2 {
		made[namesAndValues[i].(string)] = value(namesAndValues[i+1])
	}
	return made
}

// shown returns a value or item as text that can be compared: numbers as written, sets
// sorted.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case *types.AttributeValueMemberS:
		return fmt.Sprintf("S:%q", v.Value)
	case *types.AttributeValueMemberN:
		return "N:" + v.Value
	case *types.AttributeValueMemberB:
		return fmt.Sprintf("B:%q", v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprint(v.Value)
	case *types.AttributeValueMemberNULL:
		return "NULL"
	case *types.AttributeValueMemberSS:
		return "SS:" + sorted(v.Value)
	case *types.AttributeValueMemberNS:
		return "NS:" + sorted(v.Value)
	case *types.AttributeValueMemberBS:
		var elements []string
		for _, element := range v.Value {
			elements = append(elements, string(element))
		}
		return "BS:" + sorted(elements)
	case *types.AttributeValueMemberL:
		var elements []string
		for _, element := range v.Value {
			elements = append(elements, shown(element))
		}
		return "[" + strings.Join(elements, " ") + "]"
	case *types.AttributeValueMemberM:
		return shown(v.Value)
	case attributes:
		var fields []string
		for name, field := range v {
			fields = append(fields, name+"="+shown(field))
		}
		return "{" + sorted(fields) + "}"
	}
	panic(fmt.Sprintf("cannot show %T", v))
}

// is requires two items to be the same.
func (b *bench) is(got, want attributes) {
	b.Helper()
	if shown(got) != shown(want) {
		b.Fatalf("got  %s\nwant %s", shown(got), shown(want))
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// invalid requires a ValidationException whose message has all fragments.
func (b *bench) invalid(err error, fragments ...string) {
	b.Helper()
	b.code(err, "ValidationException")
	for _, fragment := range fragments {
		if !strings.Contains(err.Error(), fragment) {
			b.Fatalf("the message has no %q: %v", fragment, err)
		}
	}
}

func (b *bench) code(err error, want string) {
	b.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != want {
		b.Fatalf("error %v, want a %s", err, want)
	}
}

// conditionFailed requires a failed condition and returns its error.
func (b *bench) conditionFailed(err error) *types.ConditionalCheckFailedException {
	b.Helper()
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		b.Fatalf("error %v, want a failed condition", err)
	}
	return failed
}

// layout is a table's key: pk of type S, and sk unless it has no type.
type layout struct {
	sort    types.ScalarAttributeType
	indexes []types.GlobalSecondaryIndex
	more    []types.AttributeDefinition // keys of the indexes
}

// table creates a table that lives as long as the check.
func (b *bench) table(l layout) (name string) {
	b.Helper()
	name = conformance.Name()
	input := &dynamodb.CreateTableInput{
		TableName:              &name,
		BillingMode:            types.BillingModePayPerRequest,
		AttributeDefinitions:   append(l.more, define("pk", types.ScalarAttributeTypeS)),
		KeySchema:              keySchema("pk", ""),
		GlobalSecondaryIndexes: l.indexes,
	}
	if l.sort != "" {
		input.AttributeDefinitions = append(input.AttributeDefinitions, define("sk", l.sort))
		input.KeySchema = keySchema("pk", "sk")
	}
	b.create(input)
	return name
}

// create creates a table, waits until it can be used and deletes it at the end.
func (b *bench) create(input *dynamodb.CreateTableInput) *dynamodb.CreateTableOutput {
	b.Helper()
	created, err := b.client.CreateTable(b.Context(), input)
	b.must(err)
	ctx := context.WithoutCancel(b.Context())
	b.Cleanup(func() {
		_, _ = b.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: input.TableName})
	})
	b.must(dynamodb.NewTableExistsWaiter(b.client).Wait(b.Context(),
		&dynamodb.DescribeTableInput{TableName: input.TableName}, time.Minute))
	return created
}

func define(name string, typeName types.ScalarAttributeType) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: &name, AttributeType: typeName}
}

func keySchema(partition, sort string) []types.KeySchemaElement {
	schema := []types.KeySchemaElement{{AttributeName: &partition, KeyType: types.KeyTypeHash}}
	if sort != "" {
		schema = append(schema, types.KeySchemaElement{AttributeName: &sort, KeyType: types.KeyTypeRange})
	}
	return schema
}

func (b *bench) put(table string, items ...attributes) {
	b.Helper()
	for _, item := range items {
		b.write(table, write{put: item})
	}
}

// get reads an item consistently, nil if there is none.
func (b *bench) get(table string, key attributes) attributes {
	b.Helper()
	got, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	b.must(err)
	return got.Item
}

// has requires the item with a key, nil for none.
func (b *bench) has(table string, key, want attributes) {
	b.Helper()
	b.is(b.get(table, key), want)
}

// text returns nil for no text.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// query reads all pages of a query.
func (b *bench) query(input *dynamodb.QueryInput) []attributes {
	b.Helper()
	var all []attributes
	for pages := dynamodb.NewQueryPaginator(b.client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(b.Context())
		b.must(err)
		all = append(all, page.Items...)
	}
	return all
}

// column returns one attribute of items, in their order.
func column(items []attributes, name string) string {
	var values []string
	for _, item := range items {
		switch v := item[name].(type) {
		case *types.AttributeValueMemberS:
			values = append(values, v.Value)
		case *types.AttributeValueMemberN:
			values = append(values, v.Value)
		default:
			values = append(values, "-")
		}
	}
	return strings.Join(values, " ")
}

func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if got != want {
		b.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func sorted(elements []string) string {
	return strings.Join(slices.Sorted(slices.Values(elements)), " ")
}
