package dynamodb_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// call sends one call without an SDK, so that a benchmark measures the service.
func call(tb testing.TB, service *dynamodb.Service, operation, body string) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://sandbox.local/", strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	response, err := sandbox.Transport{Handler: service}.RoundTrip(request)
	if err != nil {
		tb.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		tb.Fatal(response.Status)
	}
}

// filled returns a service with a table of 20,000 events in one partition of an index.
func filled(tb testing.TB) *dynamodb.Service {
	tb.Helper()
	service := dynamodb.New(dynamodb.Config{})
	call(tb, service, "CreateTable", `{"TableName":"events","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"unbilled","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
		"GlobalSecondaryIndexes":[{"IndexName":"unbilled","Projection":{"ProjectionType":"ALL"},
			"KeySchema":[{"AttributeName":"unbilled","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}]}]}`)
	for from := 0; from < 20_000; from += 25 {
		var writes []string
		for i := from; i < from+25; i++ {
			writes = append(writes, fmt.Sprintf(`{"PutRequest":{"Item":{"pk":{"S":"event-%d"},"unbilled":{"S":"subscription"},"at":{"N":"%d"},"quantity":{"N":"1.25"}}}}`, i, i*7919%20_011))
		}
		call(tb, service, "BatchWriteItem", `{"RequestItems":{"events":[`+strings.Join(writes, ",")+`]}}`)
	}
	return service
}

// BenchmarkTransactWriteItems claims 100 of 20,000 events in one transaction.
func BenchmarkTransactWriteItems(b *testing.B) {
	service := filled(b)
	var actions []string
	for i := range 100 {
		actions = append(actions, fmt.Sprintf(`{"Update":{"TableName":"events","Key":{"pk":{"S":"event-%d"}},
			"UpdateExpression":"SET invoice_id = :i, claimed = if_not_exists(claimed, :zero) + :one",
			"ConditionExpression":"attribute_exists(pk) AND quantity = :q",
			"ExpressionAttributeValues":{":i":{"S":"invoice"},":one":{"N":"1"},":zero":{"N":"0"},":q":{"N":"1.25"}}}}`, i))
	}
	body := `{"TransactItems":[` + strings.Join(actions, ",") + `]}`
	b.ReportAllocs()
	for b.Loop() {
		call(b, service, "TransactWriteItems", body)
	}
}

// BenchmarkQueryPage reads 1,000 of 20,000 events of a partition of an index.
func BenchmarkQueryPage(b *testing.B) {
	service := filled(b)
	body := `{"TableName":"events","IndexName":"unbilled","Limit":1000,"KeyConditionExpression":"unbilled = :s AND #at > :t",
		"ExpressionAttributeNames":{"#at":"at"},"ExpressionAttributeValues":{":s":{"S":"subscription"},":t":{"N":"5000"}}}`
	b.ReportAllocs()
	for b.Loop() {
		call(b, service, "Query", body)
	}
}

func BenchmarkPutItem(b *testing.B) {
	service := filled(b)
	body := `{"TableName":"events","Item":{"pk":{"S":"event-1"},"unbilled":{"S":"subscription"},"at":{"N":"7"}},"ConditionExpression":"attribute_exists(pk)"}`
	b.ReportAllocs()
	for b.Loop() {
		call(b, service, "PutItem", body)
	}
}
