package retry_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/retry"
)

func TestBackoff_After(t *testing.T) {
	t.Parallel()
	normal := retry.Backoff{First: 5 * time.Second, Max: 15 * time.Minute}
	for _, test := range []struct {
		backoff retry.Backoff
		attempt int
		want    time.Duration
	}{
		{normal, -1, 5 * time.Second},
		{normal, 0, 5 * time.Second},
		{normal, 1, 5 * time.Second},
		{normal, 2, 10 * time.Second},
		{normal, 8, 640 * time.Second},
		{normal, 9, 15 * time.Minute},
		{normal, 1000, 15 * time.Minute},
		{normal, math.MaxInt, 15 * time.Minute},
		{retry.Backoff{First: time.Minute, Max: time.Second}, 1, time.Second},
		{retry.Backoff{First: time.Minute, Max: time.Second}, 2, time.Second},
		{retry.Backoff{First: 3, Max: 7}, 2, 6},
		{retry.Backoff{First: 3, Max: 7}, 3, 7},
		{retry.Backoff{First: 4, Max: 8}, 2, 8},
		{retry.Backoff{First: 1, Max: math.MaxInt64}, 63, 1 << 62},
		{retry.Backoff{First: 1, Max: math.MaxInt64}, 64, math.MaxInt64},
		{retry.Backoff{First: math.MaxInt64, Max: math.MaxInt64}, 1000, math.MaxInt64},
		{retry.Backoff{}, 1000, 0},
	} {
		if got := test.backoff.After(test.attempt); got != test.want {
			t.Errorf("%+v after attempt %d: got %s, want %s", test.backoff, test.attempt, got, test.want)
		}
	}
}

// TestBackoff_AfterIsExact compares with numbers that cannot overflow.
func TestBackoff_AfterIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		backoff := retry.Backoff{
			First: time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "first")),
			Max:   time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "max")),
		}
		attempt := rapid.IntRange(1, 1000).Draw(t, "attempt")

		doubled := new(big.Int).Lsh(big.NewInt(int64(backoff.First)), uint(attempt-1))
		want := backoff.Max
		if doubled.Cmp(big.NewInt(int64(want))) < 0 {
			want = time.Duration(doubled.Int64())
		}
		if got := backoff.After(attempt); got != want {
			t.Fatalf("%+v after attempt %d: got %d, want %d", backoff, attempt, got, want)
		}
	})
}

// TestJitter only ever shortens, by no more than its part.
func TestJitter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.Int64Range(0, math.MaxInt64).Draw(t, "delay")
		part := rapid.Float64Range(0, 1).Draw(t, "part")

		least := delay - int64(math.Ceil(part*float64(delay)))
		if part*float64(delay) >= math.MaxInt64 { // beyond the integers that a float can represent
			least = 0
		}
		if got := int64(retry.Jitter(time.Duration(delay), part)); got > delay || got < least {
			t.Fatalf("got %d of %d with a part of %g", got, delay, part)
		}
	})
}

// TestBackoff_JitteredSpreads over the whole quarter: a thousand pods do not come back
// together.
func TestBackoff_JitteredSpreads(t *testing.T) {
	t.Parallel()
	backoff := retry.Backoff{First: time.Second, Max: time.Hour}
	const draws = 10_000
	var buckets [5]int
	for range draws {
		delay := backoff.Jittered(3)
		if delay <= 3*time.Second || delay > 4*time.Second {
			t.Fatalf("got %s, want more than 3 s and at most 4 s", delay)
		}
		buckets[(delay-3*time.Second-1)/(200*time.Millisecond)]++
	}
	for i, count := range buckets {
		if count < draws/10 { // half of what is due; by chance not once in 10^150 runs
			t.Errorf("fifth %d has %d of %d draws", i, count, draws)
		}
	}
}

func ExampleBackoff_After() {
	backoff := retry.Backoff{First: 5 * time.Second, Max: time.Minute}
	for _, attempt := range []int{1, 2, 3, 4, 5, 1000} {
		fmt.Println(attempt, backoff.After(attempt))
	}
	// Output:
	// 1 5s
	// 2 10s
	// 3 20s
	// 4 40s
	// 5 1m0s
	// 1000 1m0s
}
