package dynamodb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// benchEvent returns an item of about ten attributes, as the consumer stores them.
func benchEvent(i int) map[string]types.AttributeValue {
	event := map[string]types.AttributeValue{
		"pk":       &types.AttributeValueMemberS{Value: fmt.Sprint("event-", i)},
		"unbilled": &types.AttributeValueMemberS{Value: "subscription"},
		"at":       &types.AttributeValueMemberN{Value: fmt.Sprint(i)},
		"quantity": &types.AttributeValueMemberN{Value: "1.25"},
	}
	for _, name := range []string{"customer", "item_price", "description", "currency", "state", "owner"} {
		event[name] = &types.AttributeValueMemberS{Value: "some text of " + name}
	}
	return event
}

// BenchmarkSDK measures single calls through AWS's client, with a deadline as the
// programs set it.
func BenchmarkSDK(b *testing.B) {
	service := filled(b)
	client := client(service)
	table := aws.String("events")
	one := map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}}
	for name, call := range map[string]func(context.Context, int) error{
		"PutItem": func(ctx context.Context, i int) error {
			_, err := client.PutItem(ctx, &awsdynamodb.PutItemInput{
				TableName: table, Item: benchEvent(i % 1000), ConditionExpression: aws.String("attribute_exists(pk)"),
			})
			return err
		},
		"GetItem": func(ctx context.Context, i int) error {
			_, err := client.GetItem(ctx, &awsdynamodb.GetItemInput{
				TableName: table, Key: map[string]types.AttributeValue{"pk": benchEvent(i % 1000)["pk"]}, ConsistentRead: aws.Bool(true),
			})
			return err
		},
		"Query": func(ctx context.Context, _ int) error {
			_, err := client.Query(ctx, &awsdynamodb.QueryInput{
				TableName: table, IndexName: aws.String("unbilled"), Limit: aws.Int32(20),
				KeyConditionExpression:    aws.String("unbilled = :s"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "subscription"}},
			})
			return err
		},
		"TransactWriteItems": func(ctx context.Context, i int) error {
			actions := make([]types.TransactWriteItem, 10)
			for at := range actions {
				actions[at].Update = &types.Update{
					TableName: table, Key: map[string]types.AttributeValue{"pk": benchEvent((i + at) % 1000)["pk"]},
					UpdateExpression: aws.String("ADD claims :one"), ExpressionAttributeValues: one,
				}
			}
			_, err := client.TransactWriteItems(ctx, &awsdynamodb.TransactWriteItemsInput{TransactItems: actions})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := call(ctx, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNewWorld makes a service with two tables, as each simulated world does.
func BenchmarkNewWorld(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		service := dynamodb.New(dynamodb.Config{})
		for _, name := range []string{"events", "persons"} {
			call(b, service, "CreateTable", `{"TableName":"`+name+`","BillingMode":"PAY_PER_REQUEST",
				"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"}],
				"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`)
		}
	}
}
