package dynamodb_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// lagging makes every read see what was so long ago.
func (b *bench) lagging(lag time.Duration) {
	b.faults = sandbox.FaultFunc(func(string) sandbox.Fault { return sandbox.Fault{Lag: lag} })
}

// One read of an index sees old rows, the next one new ones, and one after it old
// ones again.
func TestLagOfAnIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{})
		b.must(b.put("a", "unbilled", "s"))
		time.Sleep(time.Second)
		b.must(b.put("b", "unbilled", "s"))
		time.Sleep(time.Second)
		b.must(b.put("a")) // leaves the index
		for _, read := range []struct {
			lag  time.Duration
			want string
		}{
			{0, "b"}, {time.Nanosecond, "a b"}, {0, "b"}, {time.Second + 1, "a"}, {time.Second, "a b"}, {2*time.Second + 1, ""}, {time.Hour, ""}, {0, "b"},
		} {
			b.lagging(read.lag)
			if got := b.unbilled("s"); got != read.want {
				t.Errorf("with a lag of %s the index has %q, want %q", read.lag, got, read.want)
			}
		}
		b.lagging(time.Hour)
		b.must(b.put("c", "unbilled", "s")) // a write sees what is
		b.lagging(0)
		if got := b.unbilled("s"); got != "b c" && got != "c b" {
			t.Errorf("after a write the index has %q", got)
		}
		// What was a while ago is forgotten: no read is older than that.
		time.Sleep(time.Minute)
		b.must(b.put("d", "unbilled", "t"))
		b.lagging(time.Hour)
		if got := b.unbilled("s"); got != "b c" && got != "c b" {
			t.Errorf("an hour ago the index had %q", got)
		}
	})
}

// Reads of a table lag unless they are consistent; conditions never do.
func TestLagOfATable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{})
		table := aws.String(tableName)
		b.must(b.put("1", "x", "old"))
		time.Sleep(time.Second)
		b.must(b.put("1", "x", "new"))
		b.lagging(time.Millisecond)
		x := func(item map[string]types.AttributeValue) string {
			return item["x"].(*types.AttributeValueMemberS).Value
		}
		for name, read := range map[string]func(consistent bool) string{
			"GetItem": func(consistent bool) string {
				got, err := b.client.GetItem(t.Context(), &awsdynamodb.GetItemInput{TableName: table, Key: key(1), ConsistentRead: &consistent})
				b.must(err)
				return x(got.Item)
			},
			"Query": func(consistent bool) string {
				got, err := b.client.Query(t.Context(), &awsdynamodb.QueryInput{
					TableName: table, ConsistentRead: &consistent,
					KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: map[string]types.AttributeValue{":pk": key(1)["pk"]},
				})
				b.must(err)
				return x(got.Items[0])
			},
			"Scan": func(consistent bool) string {
				got, err := b.client.Scan(t.Context(), &awsdynamodb.ScanInput{TableName: table, ConsistentRead: &consistent})
				b.must(err)
				return x(got.Items[0])
			},
		} {
			if got := read(true); got != "new" {
				t.Errorf("a consistent %s sees %s", name, got)
			}
			if got := read(false); got != "old" {
				t.Errorf("a %s that lags sees %s", name, got)
			}
		}
		_, err := b.client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
			TableName: table, Key: key(1), UpdateExpression: aws.String("SET y = x"), ConditionExpression: aws.String("x = :new"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":new": &types.AttributeValueMemberS{Value: "new"}},
		})
		b.must(err)
	})
}
