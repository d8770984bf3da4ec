package dynamodb_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

const tableName = "billable_events"

// bench is a service with one table, whose client does not retry.
type bench struct {
	*testing.T
	service *dynamodb.Service
	client  *awsdynamodb.Client
}

// withFault makes a bench on which one operation always goes wrong.
func withFault(t *testing.T, operation string, fault sandbox.Fault) *bench {
	t.Helper()
	return newBench(t, dynamodb.Config{Faults: sandbox.FaultFunc(func(name string) sandbox.Fault {
		if name == operation {
			return fault
		}
		return sandbox.Fault{}
	})})
}

func newBench(t *testing.T, config dynamodb.Config) *bench {
	t.Helper()
	service := dynamodb.New(config)
	b := &bench{T: t, service: service, client: client(service)}
	_, err := b.client.CreateTable(t.Context(), &awsdynamodb.CreateTableInput{
		TableName:   aws.String(tableName),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("unbilled"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String("unbilled"),
			KeySchema:  []types.KeySchemaElement{{AttributeName: aws.String("unbilled"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	})
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) code(err error, want string) {
	b.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != want {
		b.Fatalf("error %v, want a %s", err, want)
	}
}

func (b *bench) put(key string, namesAndValues ...string) error {
	made := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}}
	for i := 0; i < len(namesAndValues); i += 2 {
		made[namesAndValues[i]] = &types.AttributeValueMemberS{Value: namesAndValues[i+1]}
	}
	_, err := b.client.PutItem(b.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(tableName), Item: made})
	return err
}

// stored is how many items the table has.
func (b *bench) stored() int { return len(b.service.Items(tableName)) }

func TestThrottleAndRefuseHaveNoEffect(t *testing.T) {
	t.Parallel()
	for kind, code := range map[sandbox.Kind]string{
		sandbox.Throttle: "ProvisionedThroughputExceededException",
		sandbox.Refuse:   "InternalServerError",
	} {
		b := withFault(t, "PutItem", sandbox.Fault{Kind: kind})
		b.code(b.put("a"), code)
		if b.stored() != 0 {
			t.Errorf("%s had an effect", code)
		}
	}
}

func TestLostReplyHasEffect(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{sandbox.LoseReply, sandbox.CutBody} {
		b := withFault(t, "PutItem", sandbox.Fault{Kind: kind})
		if err := b.put("a"); err == nil {
			t.Error("no error for a lost reply")
		}
		if b.stored() != 1 {
			t.Error("the lost call had no effect")
		}
	}
}

func TestLateEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "PutItem", sandbox.Fault{Kind: sandbox.ApplyLate, Late: time.Minute})
		if err := b.put("a"); err == nil {
			t.Error("no error for a late effect")
		}
		time.Sleep(time.Minute - time.Second)
		if b.stored() != 0 {
			t.Error("the effect came early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.stored() != 1 {
			t.Error("the effect never came")
		}
	})
}

func key(i int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}}
}

func TestPartialBatchWrite(t *testing.T) {
	t.Parallel()
	b := withFault(t, "BatchWriteItem", sandbox.Fault{Kind: sandbox.Partial})
	var writes []types.WriteRequest
	for i := range 8 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key(i)}})
	}
	rounds, stored := 0, 0
	for requests := map[string][]types.WriteRequest{tableName: writes}; len(requests) > 0; rounds++ {
		out, err := b.client.BatchWriteItem(t.Context(), &awsdynamodb.BatchWriteItemInput{RequestItems: requests})
		b.must(err)
		stored += len(requests[tableName]) - len(out.UnprocessedItems[tableName])
		if b.stored() != stored {
			t.Fatalf("stored %d, answered %d", b.stored(), stored)
		}
		requests = out.UnprocessedItems
	}
	if rounds != 4 || stored != 8 {
		t.Errorf("%d rounds and %d items, want 4 and 8", rounds, stored)
	}
}

func TestPartialBatchGet(t *testing.T) {
	t.Parallel()
	b := withFault(t, "BatchGetItem", sandbox.Fault{Kind: sandbox.Partial})
	var keys []map[string]types.AttributeValue
	for i := range 5 {
		b.must(b.put(fmt.Sprint(i)))
		keys = append(keys, key(i))
	}
	got := 0
	requests := map[string]types.KeysAndAttributes{tableName: {Keys: keys, ConsistentRead: aws.Bool(true)}}
	for len(requests) > 0 {
		out, err := b.client.BatchGetItem(t.Context(), &awsdynamodb.BatchGetItemInput{RequestItems: requests})
		b.must(err)
		got += len(out.Responses[tableName])
		requests = out.UnprocessedKeys
	}
	if got != 5 {
		t.Errorf("read %d items, want 5", got)
	}
}

func TestPartialTransactionIsAConflict(t *testing.T) {
	t.Parallel()
	b := withFault(t, "TransactWriteItems", sandbox.Fault{Kind: sandbox.Partial})
	_, err := b.client.TransactWriteItems(t.Context(), &awsdynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String(tableName), Item: key(1)}},
		{Put: &types.Put{TableName: aws.String(tableName), Item: key(2)}},
	}})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("error %v, want a cancelled transaction", err)
	}
	if code := *cancelled.CancellationReasons[0].Code; code != "TransactionConflict" {
		t.Errorf("reason %s, want TransactionConflict", code)
	}
	if b.stored() != 0 {
		t.Error("a cancelled transaction had an effect")
	}
}
