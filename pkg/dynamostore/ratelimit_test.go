package dynamostore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

func TestRateLimitStore_Contract(t *testing.T) {
	t.Parallel()
	ratelimittest.RunContract(t, func(t *testing.T) ratelimit.Store { return newFixture(t).store.RateLimit() })
}

// A deleted item equals one that never existed.
func TestRateLimitStore_Deleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := f.store.RateLimit()
	grant := ratelimit.Grant{Idle: true, From: 1000, Until: 2000, Cost: 300, Clock: 2000, Scale: ratelimit.FullScale}
	if _, applied, err := store.Grant(t.Context(), grant); err != nil || !applied {
		t.Fatalf("%t, %v", applied, err)
	}
	if _, err := f.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{
		TableName: aws.String("ledger"), Key: map[string]types.AttributeValue{"invoice_id": text("#ratelimit")},
	}); err != nil {
		t.Fatal(err)
	}
	empty := ratelimit.State{Control: ratelimit.Control{Scale: ratelimit.FullScale}}
	next := grant
	next.Idle = false
	if found, applied, err := store.Grant(t.Context(), next); err != nil || applied || found != empty {
		t.Errorf("a grant that continues: %+v, %t, %v", found, applied, err)
	}
	if found, applied, err := store.Grant(t.Context(), grant); err != nil || !applied || found.TAT != 1300 {
		t.Errorf("a grant that begins: %+v, %t, %v", found, applied, err)
	}
}

// TestRateLimitStore_FiftyProcesses shares a limit among 50 processes through one item. One
// key takes 1,000 write units a second; the fake gives it 500.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
func TestRateLimitStore_FiftyProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const processes, limit = 50, 3500
		f := newFixtureOf(t, dynamodb.Config{PartitionWrites: 500})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var calls, failures atomic.Int64
		for range processes {
			limiter := ratelimit.New(ratelimit.Config{
				Store: f.store.RateLimit(), Now: time.Now, RequestsPerMinute: limit, Jitter: time.Second,
				Observe: func(status ratelimit.Status) {
					if status.Err != nil {
						failures.Add(1)
					}
				},
			})
			group.Go(func() { limiter.Run(ctx) })
			for range 3 {
				group.Go(func() {
					for {
						permit, err := limiter.Acquire(ctx)
						if err != nil {
							return
						}
						if permit.Spend() == nil {
							calls.Add(1)
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		before := calls.Load()
		time.Sleep(30 * time.Second)
		if made := calls.Load() - before; made > limit/2 || made < limit/2*95/100 {
			t.Errorf("%d calls in half a minute, the limit is %d a minute", made, limit)
		}
		if n := failures.Load(); n > 0 {
			t.Errorf("%d failures: more than 500 write units a second", n)
		}
		cancel()
		group.Wait()
	})
}
