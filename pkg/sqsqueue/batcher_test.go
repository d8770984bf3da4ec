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

// recorder runs batches: it doubles each entry, and keeps the batches.
type recorder struct {
	takes time.Duration
	fail  func(entry int) error

	mu      sync.Mutex
	batches [][]int
	waited  []time.Duration

	inFlight    int
	maxInFlight int
}

func (r *recorder) run(batch []int) []outcome[int] {
	r.mu.Lock()
	r.batches = append(r.batches, slices.Clone(batch))
	r.inFlight++
	r.maxInFlight = max(r.maxInFlight, r.inFlight)
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
	r.inFlight--
	r.mu.Unlock()
	return outcomes
}

func (r *recorder) batcher() *batcher[int, int] {
	return &batcher[int, int]{
		run:           r.run,
		size:          func(int) int { return 1 },
		maxEntries:    10,
		maxBytes:      100,
		maxConcurrent: 4,
		onStart: func(took time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waited = append(r.waited, took)
		},
	}
}

// entries calls do for each entry from first to last, all at once.
func entries(t *testing.T, b *batcher[int, int], first, last int) *sync.WaitGroup {
	t.Helper()
	var callers sync.WaitGroup
	for entry := first; entry <= last; entry++ {
		callers.Go(func() {
			result, err := b.do(t.Context(), entry)
			if err != nil || result != 2*entry {
				t.Errorf("entry %d: got %d, %v", entry, result, err)
			}
		})
		synctest.Wait() // in order
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

func TestBatcher_SendsImmediatelyWhenIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		b := r.batcher()
		for entry := range 3 {
			started := time.Now()
			entries(t, b, entry, entry).Wait()
			if took := time.Since(started); took != r.takes {
				t.Errorf("it took %s, the batch alone %s", took, r.takes)
			}
		}
		r.want(t, []int{0}, []int{1}, []int{2})
	})
}

func TestBatcher_WaitersShareTheNextBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		started := time.Now()
		entries(t, r.batcher(), 1, 9).Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9})
		if took := time.Since(started); took != 2*r.takes {
			t.Errorf("all took %s", took)
		}
		if want := append([]time.Duration{0}, slices.Repeat([]time.Duration{r.takes}, 8)...); !slices.Equal(r.waited, want) {
			t.Errorf("the waiters waited %s, want %s", r.waited, want)
		}
	})
}

func TestBatcher_StartsFullBatchWhileOthersRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		callers := entries(t, r.batcher(), 1, 15)
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
		callers.Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []int{12, 13, 14, 15})
	})
}

func TestBatcher_PartialBatchWaitsForTheLastInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		b := r.batcher()
		started := time.Now()
		first := entries(t, b, 1, 1)
		time.Sleep(5 * time.Millisecond)
		second := entries(t, b, 2, 12)
		first.Wait()
		second.Wait()
		r.want(t, []int{1}, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []int{12})
		if took := time.Since(started); took != 45*time.Millisecond {
			t.Errorf("all took %s", took)
		}
	})
}

func TestBatcher_LimitsConcurrentBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: 20 * time.Millisecond}
		started := time.Now()
		entries(t, r.batcher(), 1, 301).Wait()
		if r.maxInFlight != 4 {
			t.Errorf("%d batches at once", r.maxInFlight)
		}
		// One entry and three full batches, then 27 batches by four.
		if took := time.Since(started); len(r.batches) != 31 || took != 8*r.takes {
			t.Errorf("%d batches in %s", len(r.batches), took)
		}
	})
}

func TestBatcher_LimitsBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Millisecond}
		b := r.batcher()
		b.maxConcurrent = 1
		b.size = func(entry int) int { return entry }
		var callers sync.WaitGroup
		for _, entry := range []int{1, 60, 40, 1, 300, 99, 2} {
			callers.Go(func() { _, _ = b.do(t.Context(), entry) })
			synctest.Wait()
		}
		callers.Wait()
		r.want(t, []int{1}, []int{60, 40}, []int{1}, []int{300}, []int{99}, []int{2})
	})
}

func TestBatcher_ReturnsEachOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		odd := errors.New("odd")
		r := &recorder{takes: time.Millisecond, fail: func(entry int) error {
			if entry%2 == 1 {
				return odd
			}
			return nil
		}}
		b := r.batcher()
		var callers sync.WaitGroup
		for entry := range 50 {
			callers.Go(func() {
				result, err := b.do(t.Context(), entry)
				if result != 2*entry || errors.Is(err, odd) != (entry%2 == 1) {
					t.Errorf("entry %d: got %d, %v", entry, result, err)
				}
			})
		}
		callers.Wait()
	})
}

func TestBatcher_CallerReturnsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Second}
		b := r.batcher()
		canceled := errors.New("canceled")
		ctx, cancel := context.WithCancelCause(t.Context())
		var callers sync.WaitGroup
		for entry := range 2 { // the first is in flight, the second waits
			callers.Go(func() {
				started := time.Now()
				if _, err := b.do(ctx, entry); !errors.Is(err, canceled) || time.Since(started) != 100*time.Millisecond {
					t.Errorf("entry %d: %v after %s", entry, err, time.Since(started))
				}
			})
			synctest.Wait()
		}
		time.Sleep(100 * time.Millisecond)
		cancel(canceled)
		callers.Wait()
		entries(t, b, 2, 2).Wait()
		r.want(t, []int{0}, []int{2})

		if _, err := b.do(ctx, 3); !errors.Is(err, canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		r.want(t, []int{0}, []int{2})
	})
}

func TestBatcher_CloseWaitsForBatchesInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Second}
		b := r.batcher()
		callers := entries(t, b, 1, 5)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := b.close(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with too little time: %v", err)
		}
		if _, err := b.do(t.Context(), 6); !errors.Is(err, ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		for range 2 {
			if err := b.close(t.Context()); err != nil {
				t.Error(err)
			}
			r.want(t, []int{1}, []int{2, 3, 4, 5})
		}
		callers.Wait()
		if err := (&recorder{}).batcher().close(t.Context()); err != nil {
			t.Errorf("one that was never used: %v", err)
		}
	})
}

func TestBatcher_ReportsStalledBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{takes: time.Hour}
		b := r.batcher()
		if err := b.stalled(time.Minute); err != nil {
			t.Errorf("idle: %v", err)
		}
		callers := entries(t, b, 1, 1)
		time.Sleep(time.Minute)
		if err := b.stalled(time.Minute); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		time.Sleep(time.Second)
		if err := b.stalled(time.Minute); err == nil {
			t.Error("a batch that hangs is not reported")
		}
		callers.Wait()
		if err := b.stalled(time.Minute); err != nil {
			t.Errorf("finished: %v", err)
		}
	})
}

// An entry is sent at most once, and exactly once if its caller got no error.
func TestBatcher_SendsNoEntryTwice(t *testing.T) {
	t.Parallel()
	r := &recorder{takes: 50 * time.Microsecond}
	b := r.batcher()
	const callers, each = 50, 100
	succeeded := make([]bool, callers*each)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for entry := caller * each; entry < (caller+1)*each; entry++ {
				ctx, cancel := context.WithCancel(t.Context())
				if entry%3 == 0 {
					time.AfterFunc(rand.N(200*time.Microsecond), cancel)
				}
				result, err := b.do(ctx, entry)
				cancel()
				if err == nil && result != 2*entry {
					t.Errorf("entry %d got %d", entry, result)
				}
				if err != nil && (entry%3 != 0 || !errors.Is(err, context.Canceled)) {
					t.Errorf("entry %d: %v", entry, err)
				}
				succeeded[entry] = err == nil
			}
		})
	}
	group.Wait()
	if err := b.close(t.Context()); err != nil {
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
	for entry, sent := range times {
		if sent > 1 || succeeded[entry] && sent != 1 {
			t.Errorf("entry %d was sent %d times, success of its caller: %t", entry, sent, succeeded[entry])
		}
	}
	if r.maxInFlight > 4 {
		t.Errorf("%d batches at once", r.maxInFlight)
	}
}
