package dynamodb_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestDenied: a condition that does not hold is reported only to callers that may write, and a
// transaction needs the permission of each of its actions.
func TestDenied(t *testing.T) {
	t.Parallel()
	b := newBench(t, dynamodb.Config{Denied: func(action, table string) bool { return action == "PutItem" && table == tableName }})
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}}
	_, err := b.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{
		TableName: aws.String(tableName), Item: key, ConditionExpression: aws.String("attribute_exists(pk)"),
	})
	denied(t, err)
	_, err = b.client.TransactWriteItems(t.Context(), &awsdynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String(tableName), Item: key}},
	}})
	denied(t, err)
	_, err = b.client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{TableName: aws.String(tableName), Key: key})
	b.must(err)
}

func denied(t *testing.T, err error) {
	t.Helper()
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "AccessDeniedException" {
		t.Errorf("got %v", err)
	}
}
