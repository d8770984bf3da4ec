package budget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/pace"
)

// TestNeverAboveBudget lets calls arrive as late as the assumption allows, or at
// once, and counts every 60 seconds.
func TestNeverAboveBudget(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{3, 10, 150, 1000, 3500} {
		synctest.Test(t, func(t *testing.T) {
			pacer := granted(perMinute, 50)
			random := rand.New(rand.NewPCG(uint64(perMinute), 1))
			var arrivals []time.Time
			end := time.Now().Add(4 * time.Minute)
			for time.Now().Before(end) {
				if random.IntN(perMinute) == 0 { // now and then there is nothing to do
					time.Sleep(time.Duration(random.Int64N(int64(30 * time.Second))))
				}
				permit, err := pacer.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				late := time.Duration(random.Int64N(2)) * (pace.PermitLife + jitter)
				arrivals = append(arrivals, time.Now().Add(late))
				permit.Release()
			}
			if most := mostIn(arrivals, time.Minute); most > perMinute {
				t.Errorf("%d calls in 60 s, the budget is %d", most, perMinute)
			}
		})
	}
}

func TestFullDemandUsesTheBudget(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{150, 1000, 3500} {
		synctest.Test(t, func(t *testing.T) {
			pacer := granted(perMinute, 50)
			start := time.Now()
			for range 5 * perMinute {
				permit, err := pacer.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				permit.Release()
			}
			if used := float64(5*perMinute) / time.Since(start).Minutes() / float64(perMinute); used < 0.95 {
				t.Errorf("%.1f %% of %d a minute are used, want at least 95 %%", 100*used, perMinute)
			}
		})
	}
}

func TestCanceledWaitersCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := granted(64, 50) // about one a second
		acquire(t, pacer).Release()
		start := time.Now()
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if _, err := pacer.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
			cancel()
		}
		acquire(t, pacer).Release()
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("20 waiters that gave up delayed the next permit to %s", took)
		}
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := granted(64, 50)
		var mu sync.Mutex
		var served []int
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				permit, err := pacer.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer permit.Release()
				mu.Lock()
				defer mu.Unlock()
				served = append(served, i)
			})
			synctest.Wait()
		}
		if pacer.TryAcquire() != nil {
			t.Error("a permit was handed out past those who wait")
		}
		group.Wait()
		for i, waiter := range served {
			if i != waiter {
				t.Fatalf("served in the order %v", served)
			}
		}
	})
}

func TestSlotsBoundSimultaneousCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := granted(3500, 2)
		first, second := acquire(t, pacer), acquire(t, pacer)
		time.Sleep(time.Minute)
		if pacer.TryAcquire() != nil {
			t.Fatal("a third call at once was allowed")
		}
		first.Release()
		first.Release() // frees one slot only
		third := pacer.TryAcquire()
		if third == nil || pacer.TryAcquire() != nil {
			t.Fatal("a released slot is one slot")
		}
		second.Release()
		third.Release()
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := granted(3500, 10)
		early, refused := acquire(t, pacer), acquire(t, pacer)
		time.Sleep(time.Millisecond)
		pacer.Pause(refused, 20*time.Second)
		time.Sleep(time.Second)
		pacer.Pause(early, time.Hour) // it was under way: nothing new
		if !pacer.Paused() || pacer.TryAcquire() != nil {
			t.Fatal("a permit was handed out in a pause")
		}
		start := time.Now()
		acquire(t, pacer).Release()
		if waited := time.Since(start); waited != 19*time.Second {
			t.Errorf("waited %s for the rest of a pause of 20 s", waited)
		}
		early.Release()
		refused.Release()
	})
}

func TestPermit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	permit := pace.NewPermit(now, nil)
	if err := permit.Spend(now.Add(pace.PermitLife)); err != nil {
		t.Errorf("a permit within its life: %v", err)
	}
	if err := permit.Spend(now); !errors.Is(err, pace.ErrSpent) {
		t.Errorf("a permit spent twice: %v", err)
	}
	if err := pace.NewPermit(now, nil).Spend(now.Add(pace.PermitLife + 1)); !errors.Is(err, pace.ErrSpent) {
		t.Errorf("a permit past its life: %v", err)
	}
}

const jitter = time.Second

// granted is a pacer that may use a whole site for a day.
func granted(perMinute, slots int) *budget.Pacer {
	pacer := budget.NewPacer(time.Now, nil)
	pacer.Grant(budget.Grant{
		Rate:  int64(perMinute-2) * 1000 * int64(time.Second) / int64(time.Minute+pace.PermitLife+jitter),
		Slots: int64(slots),
		Until: time.Now().Add(24 * time.Hour),
	})
	return pacer
}

func acquire(t *testing.T, pacer *budget.Pacer) *pace.Permit {
	t.Helper()
	permit, err := pacer.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return permit
}
