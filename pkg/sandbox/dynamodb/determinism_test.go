package dynamodb_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/conformance"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// script is a sequence of calls that are drawn from a seed.
type script struct {
	*testing.T
	transport sandbox.Transport
	random    *rand.Rand
	answers   []string
}

// call makes a call and notes its answer.
func (s *script) call(operation, input string) {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://sandbox.local/", strings.NewReader(input))
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	answer := operation + " " + input + ": "
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		s.answers = append(s.answers, answer+err.Error())
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	s.answers = append(s.answers, fmt.Sprint(answer, response.StatusCode, " ", response.Header, " ", string(body), " ", err))
}

func (s *script) key() string { return fmt.Sprintf(`{"pk":{"S":"%d"}}`, s.random.IntN(30)) }

func (s *script) item() string {
	return fmt.Sprintf(`{"pk":{"S":"%d"},"owner":{"S":"%d"},"at":{"N":"%d"},"m":{"M":{"b":{"N":"1"},"a":{"SS":["y","x"]},"c":{"L":[]}}},"z":{"BOOL":true},"k":{"NULL":true}}`,
		s.random.IntN(30), s.random.IntN(3), s.random.IntN(5))
}

// bad is an item with two mistakes, of which one is reported.
const bad = `{"x":{"N":"one"},"y":{"N":"two"},"pk":{"S":"a"}}`

// step makes one call, or lets some time go by.
func (s *script) step() {
	switch s.random.IntN(10) {
	case 0:
		s.call("PutItem", fmt.Sprintf(`{"TableName":"events","Item":%s,"ReturnValues":"ALL_OLD"}`, s.item()))
	case 1:
		s.call("UpdateItem", fmt.Sprintf(`{"TableName":"events","Key":%s,"UpdateExpression":"SET v = if_not_exists(v, :one) + :one, #o = :o REMOVE z ADD n :one","ExpressionAttributeNames":{"#o":"owner"},
			"ExpressionAttributeValues":{":one":{"N":"1"},":o":{"S":"%d"}},"ReturnValues":"ALL_NEW"}`, s.key(), s.random.IntN(3)))
	case 2:
		s.call("DeleteItem", fmt.Sprintf(`{"TableName":"events","Key":%s,"ConditionExpression":"n > :n","ExpressionAttributeValues":{":n":{"N":"1"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, s.key()))
	case 3:
		s.call("GetItem", fmt.Sprintf(`{"TableName":"events","Key":%s}`, s.key()))
	case 4:
		s.call("Query", fmt.Sprintf(`{"TableName":"events","IndexName":"by-owner","KeyConditionExpression":"#o = :o","ExpressionAttributeNames":{"#o":"owner"},
			"ExpressionAttributeValues":{":o":{"S":"%d"}},"Limit":%d}`, s.random.IntN(3), 1+s.random.IntN(10)))
	case 5:
		s.call("Scan", fmt.Sprintf(`{"TableName":"events","Limit":%d}`, 1+s.random.IntN(20)))
	case 6:
		s.call("BatchWriteItem", fmt.Sprintf(`{"RequestItems":{"events":[{"PutRequest":{"Item":%s}},{"DeleteRequest":{"Key":{"pk":{"S":"x"}}}}],"persons":[{"PutRequest":{"Item":{"pk":{"S":"a"}}}},{"PutRequest":{"Item":{"pk":{"S":"b"}}}}]}}`, s.item()))
	case 7:
		s.call("TransactWriteItems", fmt.Sprintf(`{"ClientRequestToken":"%d","TransactItems":[{"Put":{"TableName":"events","Item":%s}},
			{"Update":{"TableName":"persons","Key":{"pk":{"S":"a"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}]}`, s.random.IntN(100), s.item()))
	case 8:
		s.call("PutItem", `{"TableName":"events","Item":`+bad+`}`)
		s.call("DescribeTable", `{"TableName":"events"}`)
	case 9:
		time.Sleep(time.Duration(s.random.Int64N(int64(time.Second))))
	}
}

// played returns what a service answers to the script.
func played(t *testing.T, seed uint64) []string {
	t.Helper()
	var answers []string
	synctest.Test(t, func(t *testing.T) {
		lags := rand.New(rand.NewPCG(seed, 3))
		service := dynamodb.New(dynamodb.Config{
			PartitionWrites: 20,
			IndexLag:        func(string) time.Duration { return time.Duration(lags.Int64N(int64(time.Second))) },
			Faults: sandbox.Seeded(seed, sandbox.Rates{
				Throttle: 0.02, Refuse: 0.02, LoseReply: 0.02, ApplyLate: 0.02, Partial: 0.1, CutBody: 0.02, EffectThenError: 0.02,
				MaxLate: 5 * time.Second, LagRate: 0.3, MaxLag: 2 * time.Second,
			}),
		})
		s := &script{T: t, transport: sandbox.Transport{Handler: service}, random: rand.New(rand.NewPCG(1, 2))}
		for range 5 { // until a fault lets them through
			s.call("CreateTable", `{"TableName":"events","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
				"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"owner","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],
				"GlobalSecondaryIndexes":[{"IndexName":"by-owner","KeySchema":[{"AttributeName":"owner","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}]}`)
			s.call("CreateTable", `{"TableName":"persons","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
				"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}`)
		}
		for range 1000 {
			s.step()
			synctest.Wait()
		}
		time.Sleep(time.Minute) // late effects come
		synctest.Wait()
		s.answers = append(s.answers, fmt.Sprint(service.Items("events"), service.Items("persons")))
		answers = s.answers
	})
	return answers
}

// TestSameSeedSameAnswers, to the byte, with faults, lags and a hot partition.
func TestSameSeedSameAnswers(t *testing.T) {
	t.Parallel()
	conformance.Repeatable(t, func(seed uint64) []string { return played(t, seed) },
		`"LastEvaluatedKey":{`, `"UnprocessedItems":{"`, "TransactionConflict", "TransactionInProgress", "KeyRangeThroughputExceeded", "connection cut",
		"ConditionalCheckFailed", "IdempotentParameterMismatch",
	)
}
