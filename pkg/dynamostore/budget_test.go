package dynamostore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/budget/contract"
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

func TestBudgetContract(t *testing.T) {
	t.Parallel()
	contract.Run(t, func(t *testing.T) budget.Store { return newFixture(t).store })
}

// TestBudgetIsMadeOnce by however many begin at the same time: nobody's entry is lost.
func TestBudgetIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		const processes = 8
		var group sync.WaitGroup
		for i := range processes {
			group.Go(func() {
				entry := pace.Entry{Beat: "one"}
				if _, applied, err := f.store.Change(t.Context(), pace.Change{Name: fmt.Sprint(i), New: &entry}); err != nil || !applied {
					t.Errorf("%t, %v", applied, err)
				}
			})
		}
		group.Wait()
		if found, err := f.store.Budget(t.Context()); err != nil || len(found.Entries) != processes || found.Limit != pace.FullLimit {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// TestBudgetThatIsRemoved is made again by whoever writes next, without what was in it.
func TestBudgetThatIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	entry := pace.Entry{Beat: "one"}
	if _, applied, err := f.store.Change(t.Context(), pace.Change{Name: "a", New: &entry}); err != nil || !applied {
		t.Fatalf("%t, %v", applied, err)
	}
	_, err := f.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{
		TableName: aws.String("ledger"), Key: map[string]types.AttributeValue{"invoice_id": &types.AttributeValueMemberS{Value: "#budget"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	found, applied, err := f.store.Change(t.Context(), pace.Change{Name: "a", Old: &entry, New: &entry})
	if err != nil || applied || found.Limit != pace.FullLimit || len(found.Entries) != 0 {
		t.Fatalf("%+v, %t, %v", found, applied, err)
	}
	if _, applied, err = f.store.Change(t.Context(), pace.Change{Name: "a", New: &entry}); err != nil || !applied {
		t.Errorf("%t, %v", applied, err)
	}
}

// TestFiftyPods share a budget through one item. Each writes it once a second, and it has
// less than 100 bytes for each of them, so 5 KB, which are 5 write units: no more than 250 a
// second, and one key has 1,000.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
func TestFiftyPods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pods, perMinute = 50, 3500
		f := newFixtureOf(t, dynamodb.Config{PartitionWrites: 250})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var calls, errs atomic.Int64
		for range pods {
			member := budget.NewMember(budget.Config{
				Store: f.store, Now: time.Now,
				Limits: budget.Limits{RequestsPerMinute: perMinute, MaxConcurrent: pods, CallTimeout: 30 * time.Second, Jitter: time.Second},
				Observe: func(report budget.Report) {
					if report.Err != nil {
						errs.Add(1)
					}
				},
			})
			group.Go(func() { member.Run(ctx) })
			group.Go(func() { // more work than it may do
				for {
					permit, err := member.Acquire(ctx)
					if err != nil {
						return
					}
					calls.Add(1)
					time.Sleep(20 * time.Millisecond)
					permit.Release()
				}
			})
			time.Sleep(20 * time.Millisecond) // no two pods start at the same instant
		}
		time.Sleep(20 * time.Second)
		errs.Store(0)
		before := calls.Load()
		time.Sleep(time.Minute)
		made := calls.Load() - before

		// 2 calls of the budget are each entry's own, and 1.5 s of each 61.5 pass on the way.
		if most := perMinute; made > int64(most) || made < int64(most-2*pods)*60/615*10*95/100 {
			t.Errorf("%d calls in a minute, the budget is %d", made, most)
		}
		if n := errs.Load(); n > 0 {
			t.Errorf("%d times the budget could not be written: more than 250 units a second", n)
		}
		t.Logf("%d calls in a minute of %d", made, perMinute)
		cancel()
		group.Wait()
	})
}

// TestHold stands until it is taken away, whatever processes write meanwhile.
func TestHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hold := pace.Hold{Reason: "a price is wrong", Since: 1_790_000_000}
	found, applied, err := f.store.Hold(t.Context(), hold)
	if err != nil || !applied || found.Hold == nil || *found.Hold != hold {
		t.Fatalf("%+v, %t, %v", found, applied, err)
	}
	found, applied, err = f.store.Hold(t.Context(), pace.Hold{Reason: "another"})
	if err != nil || applied || *found.Hold != hold {
		t.Errorf("a second one: %+v, %t, %v", found, applied, err)
	}
	entry := pace.Entry{Beat: "one"}
	if found, _, err = f.store.Change(t.Context(), pace.Change{Name: "a", New: &entry}); err != nil || found.Hold == nil {
		t.Errorf("after a change: %+v, %v", found, err)
	}
	if found, applied, err = f.store.Release(t.Context()); err != nil || !applied || found.Hold != nil || len(found.Entries) != 1 {
		t.Errorf("released: %+v, %t, %v", found, applied, err)
	}
	if _, applied, err = f.store.Release(t.Context()); err != nil || applied {
		t.Errorf("released again: %t, %v", applied, err)
	}
}
