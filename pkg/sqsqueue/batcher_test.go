package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a commit that takes a while, doubles each entry, and keeps the batches.
type recorder struct {
	takes time.Duration
	fail  func(entry int) error

	mu      sync.Mutex
	batches [][]int
	waited  []time.Duration
	flying  int
	most    int
}

func (r *recorder) commit(batch []int) []outcome[int] {
	r.mu.Lock()
	r.batches = append(r.batches, slices.Clone(batch))
	r.flying++
	r.most = max(r.most, r.flying)
	r.mu.Unlock()
	time.Sleep(r.takes)
	outcomes := make([]outcome[int], len(batch))
	for i, entry := range batch {
		outcomes[i].result = 2 * entry
		if r.fail != nil {
			outcomes[i].err = r.fail(entry)
		}
	}
	r.mu.Lock()
	r.flying--
	r.mu.Unlock()
	return outcomes
}

func (r *recorder) group() *groupCommit[int, int] {
	return &groupCommit[int, int]{
		commit:     r.commit,
		size:       func(int) int { return 1 },
		maxEntries: 10,
		maxBytes:   100,
		maxFlights: 4,
		waited: func(took time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waited = append(r.waited, took)
		},
	}
}

// entries calls do for each entry from first to last, all at once.
func entries(t *testing.T, g *groupCommit[int, int], first, last int) *sync.WaitGroup {
	t.Helper()
	var callers sync.WaitGroup
	for entry := first; entry <= last; entry++ {
		callers.Go(func() {
			result, err := g.do(t.Context(), entry)
			if err != nil || result != 2*entry {
				t.Errorf("entry %d: got %d, %v", entry, result, err)
			}
		})
		synctest.Wait() // they come in order
	}
	return &callers
}

func (r *recorder) want(t *testing.T, batches ...[]int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprint(r.batches) != fmt.Sprint(batches) {
		t.Errorf("the batches are %v, want %v", r.batches, batches)
	}
}

func TestAnIdleGroupDepartsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		g := r.group()
		for entry := range 3 {
			started := time.Now()
			entries(t, g, entry, entry).Wait()
			if took := time.Since(started); took != r.takes {
				t.Errorf("it took %s, the flight alone %s", took, r.takes)
			}
		}
		r.want(t, []int{0}, []int{1}, []int{2})
	})
}

func TestThoseWhoComeDuringAFlightShareTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		started := time.Now()
		entries(t, r.group(), 1, 9).Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9})
		if took := time.Since(started); took != 2*r.takes {
			t.Errorf("all took %s", took)
		}
		if want := append([]time.Duration{0}, slices.Repeat([]time.Duration{r.takes}, 8)...); !slices.Equal(r.waited, want) {
			t.Errorf("they waited %s, want %s", r.waited, want)
		}
	})
}

func TestAFullBatchDepartsWhileOthersFly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		callers := entries(t, r.group(), 1, 15)
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
		callers.Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []int{12, 13, 14, 15})
	})
}

// TestOnlyTheLastFlightTakesAFewAlong: those who do not fill a batch wait for it.
func TestOnlyTheLastFlightTakesAFewAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		g := r.group()
		started := time.Now()
		first := entries(t, g, 1, 1)
		time.Sleep(5 * time.Millisecond)
		second := entries(t, g, 2, 12)
		first.Wait()
		second.Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []int{12})
		if took := time.Since(started); took != 45*time.Millisecond {
			t.Errorf("all took %s", took)
		}
	})
}

func TestFlightsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		started := time.Now()
		entries(t, r.group(), 1, 301).Wait()
		if r.most != 4 {
			t.Errorf("%d flights at once", r.most)
		}
		// One entry and three full batches, then 27 batches by four.
		if took := time.Since(started); len(r.batches) != 31 || took != 8*r.takes {
			t.Errorf("%d batches in %s", len(r.batches), took)
		}
	})
}

func TestABatchIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Millisecond}
		g := r.group()
		g.maxFlights = 1
		g.size = func(entry int) int { return entry }
		var callers sync.WaitGroup
		for _, entry := range []int{1, 60, 40, 1, 300, 99, 2} {
			callers.Go(func() { _, _ = g.do(t.Context(), entry) })
			synctest.Wait()
		}
		callers.Wait()
		r.want(t, []int{1}, []int{60, 40}, []int{1}, []int{300}, []int{99}, []int{2})
	})
}

func TestEachGetsItsOwnOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		odd := errors.New("odd")
		r := &recorder{takes: time.Millisecond, fail: func(entry int) error {
			if entry%2 == 1 {
				return odd
			}
			return nil
		}}
		g := r.group()
		var callers sync.WaitGroup
		for entry := range 50 {
			callers.Go(func() {
				result, err := g.do(t.Context(), entry)
				if result != 2*entry || errors.Is(err, odd) != (entry%2 == 1) {
					t.Errorf("entry %d: got %d, %v", entry, result, err)
				}
			})
		}
		callers.Wait()
	})
}

func TestACallerLeavesWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Second}
		g := r.group()
		leaving := errors.New("leaving")
		ctx, leave := context.WithCancelCause(t.Context())
		var callers sync.WaitGroup
		for entry := range 2 { // the first flies, the second waits
			callers.Go(func() {
				started := time.Now()
				if _, err := g.do(ctx, entry); !errors.Is(err, leaving) || time.Since(started) != 100*time.Millisecond {
					t.Errorf("entry %d: %v after %s", entry, err, time.Since(started))
				}
			})
			synctest.Wait()
		}
		time.Sleep(100 * time.Millisecond)
		leave(leaving)
		callers.Wait()
		entries(t, g, 2, 2).Wait()
		r.want(t, []int{0}, []int{2})

		if _, err := g.do(ctx, 3); !errors.Is(err, leaving) {
			t.Errorf("with a context that has ended: %v", err)
		}
		r.want(t, []int{0}, []int{2})
	})
}

func TestCloseWaitsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Second}
		g := r.group()
		callers := entries(t, g, 1, 5)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := g.close(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with too little time: %v", err)
		}
		if _, err := g.do(t.Context(), 6); !errors.Is(err, ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		for range 2 {
			if err := g.close(t.Context()); err != nil {
				t.Error(err)
			}
			r.want(t, []int{1}, []int{2, 3, 4, 5})
		}
		callers.Wait()
		if err := (&recorder{}).group().close(t.Context()); err != nil {
			t.Errorf("one that was never used: %v", err)
		}
	})
}

func TestStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Hour}
		g := r.group()
		if err := g.stalled(time.Minute); err != nil {
			t.Errorf("idle: %v", err)
		}
		callers := entries(t, g, 1, 1)
		time.Sleep(time.Minute)
		if err := g.stalled(time.Minute); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		time.Sleep(time.Second)
		if err := g.stalled(time.Minute); err == nil {
			t.Error("a flight that hangs is not reported")
		}
		callers.Wait()
		if err := g.stalled(time.Minute); err != nil {
			t.Errorf("landed: %v", err)
		}
	})
}

// Whatever callers do, an entry is committed at most once, and a caller that is told
// of success was committed.
func TestNothingIsLostOrCommittedTwice(t *testing.T) {
	t.Parallel()
	r := &recorder{takes: 50 * time.Microsecond}
	g := r.group()
	const callers, each = 50, 100
	told := make([]bool, callers*each)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for entry := caller * each; entry < (caller+1)*each; entry++ {
				ctx, cancel := context.WithCancel(t.Context())
				if entry%3 == 0 {
					time.AfterFunc(rand.N(200*time.Microsecond), cancel)
				}
				result, err := g.do(ctx, entry)
				cancel()
				if err == nil && result != 2*entry {
					t.Errorf("entry %d got %d", entry, result)
				}
				if err != nil && (entry%3 != 0 || !errors.Is(err, context.Canceled)) {
					t.Errorf("entry %d: %v", entry, err)
				}
				told[entry] = err == nil
			}
		})
	}
	group.Wait()
	if err := g.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	times := make([]int, callers*each)
	for _, batch := range r.batches {
		if len(batch) > 10 {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, entry := range batch {
			times[entry]++
		}
	}
	for entry, committed := range times {
		if committed > 1 || told[entry] && committed != 1 {
			t.Errorf("entry %d was committed %d times; its caller was told of success: %t", entry, committed, told[entry])
		}
	}
	if r.most > 4 {
		t.Errorf("%d flights at once", r.most)
	}
}
