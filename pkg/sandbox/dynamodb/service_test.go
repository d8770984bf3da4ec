package dynamodb_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// unbilled returns the keys that the index has for one subscription.
func (b *bench) unbilled(subscription string) string {
	b.Helper()
	got, err := b.client.Query(b.Context(), &awsdynamodb.QueryInput{
		TableName: aws.String(tableName), IndexName: aws.String("unbilled"),
		KeyConditionExpression:    aws.String("unbilled = :s"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: subscription}},
	})
	b.must(err)
	var keys []string
	for _, item := range got.Items {
		keys = append(keys, item["pk"].(*types.AttributeValueMemberS).Value)
	}
	return strings.Join(keys, " ")
}

func TestIndexLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lags := []time.Duration{10 * time.Second, time.Second, 0}
		b := newBench(t, dynamodb.Config{IndexLag: func(index string) time.Duration {
			if index != "unbilled" {
				t.Errorf("lag of index %q", index)
			}
			lag := lags[0]
			lags = lags[1:]
			return lag
		}})
		b.must(b.put("a", "unbilled", "s"))
		b.must(b.put("a", "unbilled", "t"))
		b.must(b.put("a", "unbilled", "u"))
		if len(b.service.Items(tableName)) != 1 {
			t.Error("the table lags")
		}
		time.Sleep(9 * time.Second)
		if s, tt, u := b.unbilled("s"), b.unbilled("t"), b.unbilled("u"); s+tt+u != "" {
			t.Errorf("early: %q %q %q", s, tt, u)
		}
		time.Sleep(time.Second)
		// The later writes had shorter lags, but must not overtake the first.
		if s, tt, u := b.unbilled("s"), b.unbilled("t"), b.unbilled("u"); s != "" || tt != "" || u != "a" {
			t.Errorf("at last: %q %q %q, want the last write only", s, tt, u)
		}
	})
}

func TestStaleIndexEntry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lag := time.Duration(0)
		b := newBench(t, dynamodb.Config{IndexLag: func(string) time.Duration { return lag }})
		b.must(b.put("a", "unbilled", "s"))
		lag = time.Second
		b.must(b.put("a"))
		if got := b.unbilled("s"); got != "a" {
			t.Errorf("the index has %q, want the item as it was", got)
		}
		time.Sleep(time.Second)
		if got := b.unbilled("s"); got != "" {
			t.Errorf("the index still has %q", got)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{})
		_, err := b.client.UpdateTimeToLive(t.Context(), &awsdynamodb.UpdateTimeToLiveInput{
			TableName:               aws.String(tableName),
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)},
		})
		b.must(err)
		now := time.Now()
		for name, expiry := range map[string]time.Time{
			"soon": now.Add(time.Minute), "later": now.Add(time.Hour), "too long ago": now.Add(-6 * 365 * 24 * time.Hour),
		} {
			item := map[string]types.AttributeValue{
				"pk":         &types.AttributeValueMemberS{Value: name},
				"unbilled":   &types.AttributeValueMemberS{Value: "s"},
				"expires_at": &types.AttributeValueMemberN{Value: attribute.Int(expiry.Unix()).String()},
			}
			_, err := b.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(tableName), Item: item})
			b.must(err)
		}
		b.must(b.put("no time"))
		b.must(b.put("no number", "expires_at", "1"))
		if swept := b.service.Sweep(); swept != 0 {
			t.Errorf("swept %d items before their time", swept)
		}
		time.Sleep(2 * time.Minute)
		if swept := b.service.Sweep(); swept != 1 || b.stored() != 4 {
			t.Errorf("swept %d and left %d, want 1 and 4", swept, b.stored())
		}
		if left := b.unbilled("s"); strings.Contains(left, "soon") {
			t.Errorf("the index still has %q", left)
		}
	})
}

func TestItems(t *testing.T) {
	t.Parallel()
	b := newBench(t, dynamodb.Config{})
	if items := b.service.Items("no such table"); items != nil {
		t.Errorf("items of no table: %v", items)
	}
	b.must(b.put("a", "x", "y"))
	items := b.service.Items(tableName)
	if len(items) != 1 || !attribute.Equal(items[0]["x"], attribute.String("y")) {
		t.Errorf("items %v", items)
	}
}

// post sends a body as no SDK would.
func post(t *testing.T, service *dynamodb.Service, target, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://sandbox.local/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", target)
	response, err := sandbox.Transport{Handler: service}.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func TestMalformedCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, dynamodb.Config{})
	const put = "DynamoDB_20120810.PutItem"
	for _, c := range []struct{ name, target, body, want string }{
		{"unknown operation", "DynamoDB_20120810.Nonsense", "{}", "UnknownOperationException"},
		{"no JSON", put, "{", "SerializationException"},
		{"wrong type", put, `{"TableName": 1}`, "SerializationException"},
		{"two types", put, `{"TableName":"billable_events","Item":{"pk":{"S":"a","N":"1"}}}`, "more than one datatypes set"},
		{"no type", put, `{"TableName":"billable_events","Item":{"pk":{}}}`, "Supplied AttributeValue is empty"},
		{"false NULL", put, `{"TableName":"billable_events","Item":{"pk":{"S":"a"},"x":{"NULL":false}}}`, "Null attribute value types must have the value of true"},
		{"legacy", put, `{"TableName":"billable_events","Item":{"pk":{"S":"a"}},"Expected":{}}`, "a parameter that the fake does not support"},
		{"no items", "DynamoDB_20120810.TransactWriteItems", "{}", "ValidationException"},
		{"no action", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{}]}`, "ValidationException"},
		{"null requests", "DynamoDB_20120810.BatchWriteItem", `{"RequestItems":{"billable_events":[null]}}`, "ValidationException"},
	} {
		status, answer := post(t, b.service, c.target, c.body)
		if status != http.StatusBadRequest || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s, want %s", c.name, status, answer, c.want)
		}
	}
	if b.stored() != 0 {
		t.Error("a malformed call had an effect")
	}
}
