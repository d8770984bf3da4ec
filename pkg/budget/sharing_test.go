package budget_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

// TestSlotsAreYielded by a process all of whose slots are in use, as its calls end.
func TestSlotsAreYielded(t *testing.T) {
	t.Parallel()
	scene(t, site(1000, 10), func(ctx context.Context, f *fleet) {
		f.took = func() time.Duration { return 1500 * time.Millisecond }
		f.join(ctx, 40)
		time.Sleep(20 * time.Second)
		if _, entry := f.only(t); entry.Slots != 10 {
			t.Errorf("one alone has %d slots of 10", entry.Slots)
		}
		f.join(ctx, 40)
		time.Sleep(6 * time.Second)
		for name, entry := range f.shared.read().Entries {
			if entry.Slots != 5 {
				t.Errorf("%s has %d slots of 10", name, entry.Slots)
			}
		}
	})
}

// TestShareIsFair: one with much more to do than others gets no more than they, and who needs less
// than its part has all that it needs.
func TestShareIsFair(t *testing.T) {
	t.Parallel()
	scene(t, site(600, 60), func(ctx context.Context, f *fleet) {
		pods := []*pod{f.join(ctx, 60), f.join(ctx, 6), f.join(ctx, 6), f.join(ctx, 6)}
		modest := f.start(ctx, 0)
		modest.over(direct)
		f.group.Go(func() {
			for ctx.Err() == nil {
				modest.call(ctx)
				time.Sleep(2 * time.Second)
			}
		})
		time.Sleep(10 * time.Second)
		before := map[*pod]int{}
		for _, p := range append(pods, modest) {
			before[p] = p.called()
		}
		time.Sleep(2 * time.Minute)
		sum := 0
		for _, p := range append(pods, modest) {
			sum += p.called() - before[p]
		}
		if got := modest.called() - before[modest]; got < 48 {
			t.Errorf("one that calls every 2 s, if it may, called %d times in 2 minutes", got)
		}
		equal := float64(sum-modest.called()+before[modest]) / float64(len(pods))
		for i, p := range pods {
			if got := float64(p.called() - before[p]); math.Abs(got/equal-1) > 0.05 {
				t.Errorf("process %d made %.0f calls, an equal part is %.0f", i, got, equal)
			}
		}
	})
}

// TestLimitGrows by 20 thousandths for each minute since the pause.
func TestLimitGrows(t *testing.T) {
	t.Parallel()
	scene(t, site(600, 60), func(ctx context.Context, f *fleet) {
		pods := []*pod{f.join(ctx, 6), f.join(ctx, 6)}
		time.Sleep(10 * time.Second)
		permit, err := pods[0].member.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pods[0].member.Pause(permit, time.Second) // it takes 10 at least
		permit.Release()
		paused := time.Now()
		time.Sleep(9 * time.Second)
		if calls := f.in(paused.Add(2*time.Second), 7*time.Second); calls > 0 {
			t.Errorf("%d calls in the pause", calls)
		}
		time.Sleep(4 * time.Second)
		for want := int64(600); want <= 700; want += 20 {
			if got := f.shared.read(); got.Limit != want || got.Pause != nil {
				t.Errorf("%s after the refusal the limit is %d, want %d (pause %v)", time.Since(paused), got.Limit, want, got.Pause)
			}
			time.Sleep(60 * time.Second)
			if used := f.share(time.Now().Add(-30*time.Second), 30*time.Second) * pace.FullLimit / float64(want); used < 0.95 || used > 1 {
				t.Errorf("%.1f %% of the limit of %d was used", 100*used, want)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// TestRefusalIsToldAgain if the store did not hear of it at first.
func TestRefusalIsToldAgain(t *testing.T) {
	t.Parallel()
	scene(t, site(600, 60), func(ctx context.Context, f *fleet) {
		pods := []*pod{f.join(ctx, 6), f.join(ctx, 6)}
		time.Sleep(10 * time.Second)
		permit, err := pods[0].member.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for pods[0].asks() {
			time.Sleep(5 * time.Millisecond)
		}
		calls := 0 // a renewal, then what it tells
		pods[0].over(func() way {
			if calls++; calls == 2 {
				return way{dropped: true, fails: 100 * time.Millisecond}
			}
			return direct()
		})
		pods[0].member.Pause(permit, 20*time.Second)
		permit.Release()
		time.Sleep(4 * time.Second)
		if !pods[1].member.Paused() {
			t.Error("the other is not paused")
		}
	})
}

// TestWaitingCostsNoWrites: who waits for a share renews as often as others do.
func TestWaitingCostsNoWrites(t *testing.T) {
	t.Parallel()
	scene(t, site(150, 60), func(ctx context.Context, f *fleet) {
		for range 12 { // five of them have a share
			f.join(ctx, 3)
		}
		time.Sleep(10 * time.Second)
		before := f.shared.changes()
		time.Sleep(time.Minute)
		if perSecond := float64(f.shared.changes()-before) / 60; perSecond > 12*1.3 {
			t.Errorf("12 processes write %.1f times a second", perSecond)
		}
	})
}
