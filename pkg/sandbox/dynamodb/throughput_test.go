package dynamodb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// hot wants a throttled write and returns what was throttled.
func (b *bench) hot(err error) types.ThrottlingReason {
	b.Helper()
	var throttled *types.ThrottlingException
	if !errors.As(err, &throttled) || len(throttled.ThrottlingReasons) != 1 {
		b.Fatalf("error %v, want a ThrottlingException with a reason", err)
	}
	return throttled.ThrottlingReasons[0]
}

func TestHotPartitionOfATable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{PartitionWrites: 3})
		for range 3 {
			b.must(b.put("a"))
		}
		reason := b.hot(b.put("a", "x", "throttled"))
		if *reason.Reason != "TableWriteKeyRangeThroughputExceeded" || !strings.HasSuffix(*reason.Resource, ":table/"+tableName) {
			t.Errorf("the reason is %s of %s", *reason.Reason, *reason.Resource)
		}
		if len(b.service.Items(tableName)[0]) != 1 {
			t.Error("a throttled write had an effect")
		}
		b.must(b.put("b")) // another partition
		time.Sleep(time.Second)
		b.must(b.put("a", "x", strings.Repeat("x", 5<<10))) // more than is left, at once
		b.hot(b.put("a"))
	})
}

// Many items under one key of an index are one partition of it: it throttles writes
// to a table whose own partitions are cold.
func TestHotPartitionOfAnIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{PartitionWrites: 3})
		for i := range 3 {
			b.must(b.put(fmt.Sprint(i), "unbilled", "s"))
		}
		reason := b.hot(b.put("3", "unbilled", "s"))
		if *reason.Reason != "IndexWriteKeyRangeThroughputExceeded" || !strings.HasSuffix(*reason.Resource, "/index/unbilled") {
			t.Errorf("the reason is %s of %s", *reason.Reason, *reason.Resource)
		}
		b.hot(b.put("0"))                  // to leave the partition is a write of it
		b.hot(b.put("1", "unbilled", "t")) // and so is to move on
		b.must(b.put("4", "unbilled", "t"))
		b.must(b.put("5"))
		time.Sleep(time.Second)
		for range 2 { // what the index does not notice costs it nothing
			b.must(b.put("0", "unbilled", "s"))
		}
		for i := range 3 {
			b.must(b.put(fmt.Sprint(10+i), "unbilled", "s"))
		}
		b.hot(b.put("13", "unbilled", "s"))
	})
}

func TestHotPartitionInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{PartitionWrites: 2})
		var writes []types.WriteRequest
		for i := range 5 {
			item := key(i)
			item["unbilled"] = &types.AttributeValueMemberS{Value: "s"}
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		}
		write := func(writes []types.WriteRequest) (*awsdynamodb.BatchWriteItemOutput, error) {
			return b.client.BatchWriteItem(t.Context(), &awsdynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tableName: writes}})
		}
		out, err := write(writes)
		b.must(err)
		left := out.UnprocessedItems[tableName]
		if len(left) != 3 || b.stored() != 2 {
			t.Fatalf("%d are left, %d are stored", len(left), b.stored())
		}
		_, err = write(left)
		b.hot(err)
		time.Sleep(time.Second)
		out, err = write(left)
		b.must(err)
		if left := len(out.UnprocessedItems[tableName]); left != 1 || b.stored() != 4 {
			t.Errorf("%d are left, %d are stored", left, b.stored())
		}
	})
}

func TestHotPartitionInTransactions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dynamodb.Config{PartitionWrites: 2})
		for range 2 {
			b.must(b.put("2"))
		}
		err := b.transact("token")
		if got := b.reasons(err); got != "None ThrottlingError" {
			t.Errorf("reasons %s", got)
		}
		if b.stored() != 1 {
			t.Error("a throttled transaction had an effect")
		}
		time.Sleep(time.Second)
		b.must(b.transact("token"))
	})
}
