package dynamodb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

const tableName = "billable_events"

// bench is a service with one table, whose client does not retry.
type bench struct {
	*testing.T
	service *dynamodb.Service
	client  *awsdynamodb.Client
	faults  sandbox.Faults // that the test can change
}

// withFault makes a bench on which one operation always goes wrong.
func withFault(t *testing.T, operation string, fault sandbox.Fault) *bench {
	t.Helper()
	b := newBench(t, dynamodb.Config{})
	b.goesWrong(operation, fault)
	return b
}

// goesWrong makes one operation go wrong from now on, and no other.
func (b *bench) goesWrong(operation string, fault sandbox.Fault) {
	b.faults = sandbox.FaultFunc(func(name string) sandbox.Fault {
		if name == operation {
			return fault
		}
		return sandbox.Fault{}
	})
}

func newBench(t *testing.T, config dynamodb.Config) *bench {
	t.Helper()
	b := &bench{T: t}
	config.Faults = sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if b.faults == nil {
			return sandbox.Fault{}
		}
		return b.faults.Next(operation)
	})
	b.service = dynamodb.New(config)
	b.client = client(b.service)
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

// stored returns the number of items the table has.
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

// Whatever is chosen, the rest is left for another try; if it is all, the call fails.
func TestPartialBatchByChoice(t *testing.T) {
	t.Parallel()
	writes := []types.WriteRequest{
		{PutRequest: &types.PutRequest{Item: key(1)}}, {PutRequest: &types.PutRequest{Item: key(2)}}, {PutRequest: &types.PutRequest{Item: key(3)}},
	}
	for choice, want := range map[uint64]int{0b0010: 2, 0b1010: 1, 0b1110: 0} { // from the second bit on
		b := withFault(t, "BatchWriteItem", sandbox.Fault{Kind: sandbox.Partial, Choice: choice})
		out, err := b.client.BatchWriteItem(t.Context(), &awsdynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tableName: writes}})
		if want == 0 {
			b.code(err, "ProvisionedThroughputExceededException")
		} else {
			b.must(err)
			if left := len(out.UnprocessedItems[tableName]); left != 3-want {
				t.Errorf("choice %b: %d are left", choice, left)
			}
		}
		if b.stored() != want {
			t.Errorf("choice %b: %d are stored", choice, b.stored())
		}

	}
}

func TestThrottlingErrors(t *testing.T) {
	t.Parallel()
	for choice, code := range map[uint64]string{2: "ProvisionedThroughputExceededException", 3: "ThrottlingException"} {
		b := withFault(t, "PutItem", sandbox.Fault{Kind: sandbox.Throttle, Choice: choice})
		b.code(b.put("a"), code)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		choice uint64
		code   string // UnknownError: the answer has none
		status int
	}{
		{choice: 0, code: "InternalServerError", status: 500},
		{choice: 1, code: "InternalFailure", status: 500},
		{choice: 2, code: "UnknownError", status: 503},
		{choice: 3, code: "InternalServerError", status: 500},
	} {
		for kind, stored := range map[sandbox.Kind]int{sandbox.Refuse: 0, sandbox.EffectThenError: 1} {
			b := withFault(t, "PutItem", sandbox.Fault{Kind: kind, Choice: test.choice})
			err := b.put("a")
			b.code(err, test.code)
			var answered *smithyhttp.ResponseError
			if !errors.As(err, &answered) || answered.HTTPStatusCode() != test.status {
				t.Errorf("%s: got %v, want status %d", test.code, err, test.status)
			}
			if b.stored() != stored {
				t.Errorf("%s: %d items are stored, want %d", test.code, b.stored(), stored)
			}
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withFault(t, "PutItem", sandbox.Fault{Delay: time.Second})
		start := time.Now()
		b.must(b.put("a"))
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A single write collides with a transaction; the caller cannot determine which one.
func TestPartialWriteIsAConflict(t *testing.T) {
	t.Parallel()
	table := aws.String(tableName)
	for operation, write := range map[string]func(*bench) error{
		"PutItem": func(b *bench) error { return b.put("2") },
		"UpdateItem": func(b *bench) error {
			_, err := b.client.UpdateItem(b.Context(), &awsdynamodb.UpdateItemInput{TableName: table, Key: key(2)})
			return err
		},
		"DeleteItem": func(b *bench) error {
			_, err := b.client.DeleteItem(b.Context(), &awsdynamodb.DeleteItemInput{TableName: table, Key: key(1)})
			return err
		},
	} {
		b := newBench(t, dynamodb.Config{})
		b.must(b.put("1"))
		b.goesWrong(operation, sandbox.Fault{Kind: sandbox.Partial})
		b.code(write(b), "TransactionConflictException")
		if items := b.service.Items(tableName); len(items) != 1 {
			t.Errorf("%s: the items are %v", operation, items)
		}
	}
}

// transact puts the items 1 and 2.
func (b *bench) transact(token string) error {
	_, err := b.client.TransactWriteItems(b.Context(), &awsdynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(token),
		TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: aws.String(tableName), Item: key(1)}},
			{Put: &types.Put{TableName: aws.String(tableName), Item: key(2)}},
		},
	})
	return err
}

func TestTransactionInProgress(t *testing.T) {
	t.Parallel()
	b := withFault(t, "TransactWriteItems", sandbox.Fault{Kind: sandbox.Partial, Choice: 1})
	b.code(b.transact("token"), "TransactionInProgressException")
	if b.stored() != 0 {
		t.Error("a transaction in progress had an effect")
	}
}

// reasons returns the codes of a cancelled transaction.
func (b *bench) reasons(err error) string {
	b.Helper()
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		b.Fatalf("error %v, want a cancelled transaction", err)
	}
	var codes []string
	for _, reason := range cancelled.CancellationReasons {
		codes = append(codes, *reason.Code)
	}
	return strings.Join(codes, " ")
}

func TestConflictByChoice(t *testing.T) {
	t.Parallel()
	for choice, want := range map[uint64]string{2: "None TransactionConflict", 4: "TransactionConflict None"} {
		b := withFault(t, "TransactWriteItems", sandbox.Fault{Kind: sandbox.Partial, Choice: choice})
		if got := b.reasons(b.transact("token")); got != want {
			t.Errorf("choice %d: reasons %s", choice, got)
		}
	}
}

// A transaction whose reply was lost is known by its token; one that comes late
// finds that it was done meanwhile.
func TestTokensOutliveLostReplies(t *testing.T) {
	t.Parallel()
	for _, fault := range []sandbox.Fault{
		{Kind: sandbox.LoseReply}, {Kind: sandbox.CutBody}, {Kind: sandbox.EffectThenError}, {Kind: sandbox.ApplyLate, Late: time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := withFault(t, "TransactWriteItems", fault)
			if b.transact("token") == nil {
				t.Fatal("no error")
			}
			b.faults = nil
			b.must(b.transact("token"))
			b.must(b.put("1", "x", "changed meanwhile"))
			time.Sleep(time.Minute)
			b.must(b.transact("token"))
			if item := b.service.Items(tableName)[0]; b.stored() != 2 || len(item)+len(b.service.Items(tableName)[1]) != 3 {
				t.Errorf("kind %d: the transaction was made again: %v", fault.Kind, b.service.Items(tableName))
			}
		})
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
