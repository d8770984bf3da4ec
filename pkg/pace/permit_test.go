package pace_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

var issued = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPermitLife(t *testing.T) {
	t.Parallel()
	for age, fresh := range map[time.Duration]bool{
		-time.Hour:          true, // a clock that was set back: the call is not later for it
		0:                   true,
		pace.PermitLife:     true,
		pace.PermitLife + 1: false,
		time.Hour:           false,
	} {
		permit := pace.NewPermit(issued, nil)
		if got := permit.Fresh(issued.Add(age)); got != fresh {
			t.Errorf("%s old: fresh is %t", age, got)
		}
		if err := permit.Spend(issued.Add(age)); (err == nil) != fresh || !fresh && !errors.Is(err, pace.ErrSpent) {
			t.Errorf("%s old: spending says %v", age, err)
		}
	}
	if permit := pace.NewPermit(issued, nil); !permit.Issued().Equal(issued) {
		t.Errorf("issued at %s", permit.Issued())
	}
}

// TestSpentOnce: one permit is one call, whoever asks.
func TestSpentOnce(t *testing.T) {
	t.Parallel()
	permit := pace.NewPermit(issued, nil)
	var calls atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			switch err := permit.Spend(issued); {
			case err == nil:
				calls.Add(1)
			case !errors.Is(err, pace.ErrSpent):
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d calls by one permit", calls.Load())
	}
	if permit.Fresh(issued) {
		t.Error("a spent permit is fresh")
	}
}

// TestReleasedOnce: the slot is given back once, spent or not.
func TestReleasedOnce(t *testing.T) {
	t.Parallel()
	for _, spend := range []bool{false, true} {
		var released atomic.Int64
		permit := pace.NewPermit(issued, func() { released.Add(1) })
		if spend {
			if err := permit.Spend(issued); err != nil {
				t.Fatal(err)
			}
		}
		if released.Load() != 0 {
			t.Error("the slot was given back before Release")
		}
		var group sync.WaitGroup
		for range 16 {
			group.Go(permit.Release)
		}
		group.Wait()
		if released.Load() != 1 {
			t.Errorf("spent %t: given back %d times", spend, released.Load())
		}
	}
	pace.NewPermit(issued, nil).Release() // nothing to give back
}

func ExamplePermit() {
	permit := pace.NewPermit(issued, func() { fmt.Println("the slot is free") })
	defer permit.Release()

	fmt.Println("first:", permit.Spend(issued.Add(100*time.Millisecond)))
	fmt.Println("again:", permit.Spend(issued.Add(200*time.Millisecond)))
	// Output:
	// first: <nil>
	// again: pace: the permit is spent
	// the slot is free
}
