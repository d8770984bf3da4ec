package budget_test

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/pace"
)

// wound returns the time with its wall clock alone moved by whole seconds: as it is once somebody set
// the clock, or once a machine was suspended, whose monotonic clock stood still. Package time has no
// way to make such a time.
func wound(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	moved := at
	type clocks struct { // as time.Time is laid out: the seconds of the wall clock begin at bit 30
		wall uint64
		ext  int64
		loc  *time.Location
	}
	(*clocks)(unsafe.Pointer(&moved)).wall += uint64(by/time.Second) << 30
	if wall, monotonic := moved.Round(0).Sub(at.Round(0)), moved.Sub(at); wall != by || monotonic != 0 {
		t.Fatalf("the wall clock is moved by %s, the monotonic one by %s", wall, monotonic)
	}
	return moved
}

// TestLeaseEndsByEitherClock: what a clock that was set, or stood still, does not say the other says.
func TestLeaseEndsByEitherClock(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		passes, set time.Duration
		lives       bool
	}{
		"before its end":                    {6*time.Second - 1, 0, true},
		"at its end":                        {6 * time.Second, 0, false},
		"the clock was set back":            {6 * time.Second, -time.Hour, false},
		"the clock was set back before":     {5 * time.Second, -time.Hour, true},
		"the machine was suspended":         {time.Second, 5 * time.Second, false},
		"it was suspended for a short time": {time.Second, 4 * time.Second, true},
	} {
		now := time.Now() // which has both clocks, outside of a bubble
		pacer := budget.NewPacer(func() time.Time { return now }, nil)
		pacer.Grant(budget.Grant{Rate: 1000, Slots: 1, Until: now.Add(6 * time.Second)})
		now = wound(t, now.Add(row.passes), row.set)
		if lives := pacer.TryAcquire() != nil; lives != row.lives {
			t.Errorf("%s: a permit was handed out: %t", name, lives)
		}
	}
}

// TestPermitEndsByEitherClock for the same reason.
func TestPermitEndsByEitherClock(t *testing.T) {
	t.Parallel()
	issued := time.Now()
	for name, row := range map[string]struct {
		passes, set time.Duration
		lives       bool
	}{
		"in its life":               {pace.PermitLife, 0, true},
		"after it":                  {pace.PermitLife + 1, 0, false},
		"the clock was set back":    {pace.PermitLife + 1, -time.Hour, false},
		"the machine was suspended": {pace.PermitLife / 2, time.Second, false},
	} {
		permit, now := pace.NewPermit(issued, nil), wound(t, issued.Add(row.passes), row.set)
		if permit.Fresh(now) != row.lives {
			t.Errorf("%s: fresh is %t", name, !row.lives)
		}
		if err := permit.Spend(now); (err == nil) != row.lives || err != nil && !errors.Is(err, pace.ErrSpent) {
			t.Errorf("%s: spent with %v", name, err)
		}
	}
}

// TestLostAnswer: a member that does not know whether it renewed finds out. Nothing is lost but time.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]way{
		"of a write that took effect":      {there: 10 * time.Millisecond, back: 3 * time.Second, fails: 500 * time.Millisecond},
		"of a write that took effect late": {there: 700 * time.Millisecond, fails: 500 * time.Millisecond},
		"of a write that had none":         {dropped: true, fails: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, site(600, 50), func(ctx context.Context, f *fleet) {
				p := f.join(ctx, 10)
				time.Sleep(5 * time.Second)
				before, _ := f.only(t)
				for range 10 {
					calls := 0
					p.over(func() way {
						if calls++; calls == 1 {
							return lost
						}
						return direct()
					})
					time.Sleep(5 * time.Second)
				}
				if after, entry := f.only(t); after != before || entry.Left || entry.Rate == 0 {
					t.Errorf("the entry of %s is %+v of %s", before, entry, after)
				}
				if used := f.share(time.Now().Add(-50*time.Second), 50*time.Second); used < 0.95 {
					t.Errorf("%.1f %% of the budget was used", 100*used)
				}
			})
		})
	}
}

// TestWhatIsLeftCounts as long as the last calls may count: the slots until the last call has ended, the
// bucket until a window is over that begins with it. Permits take their life to the wire, and calls their
// time to arrive.
func TestWhatIsLeftCounts(t *testing.T) {
	t.Parallel()
	limits := site(600, 50)
	limits.Jitter = 8 * time.Second
	scene(t, limits, func(ctx context.Context, f *fleet) {
		f.took = func() time.Duration { return time.Hour } // until their callers give up
		f.start(ctx, 0).over(direct)
		p := f.join(ctx, 3)
		time.Sleep(3 * time.Second)
		p.leave()
		left := time.Now()
		for _, row := range []struct {
			after time.Duration
			want  pace.Sums
		}{
			{2 * time.Second, pace.Sums{Cost: 2000, Slots: 3}},
			{limits.CallTimeout + 8500*time.Millisecond, pace.Sums{Cost: 2000, Slots: 3}},
			{limits.CallTimeout + 12*time.Second, pace.Sums{Cost: 2000}},
			{limits.CallTimeout + 8500*time.Millisecond + 68500*time.Millisecond, pace.Sums{Cost: 2000}},
			{limits.CallTimeout + 12*time.Second + 72*time.Second, pace.Sums{}},
		} {
			time.Sleep(time.Until(left.Add(row.after)))
			var stand pace.Sums
			for _, entry := range f.shared.read().Entries {
				if entry.Left {
					stand.Cost += entry.Cost
					stand.Slots += entry.Slots
				}
			}
			if stand != row.want {
				t.Errorf("%s after it left %+v stands for it, want %+v", row.after, stand, row.want)
			}
		}
	})
}

// TestRejoinWithCallsUnderWay: a process that was stopped for a while has calls that its former entry
// counts. It gets along with the slots that are left, and does not hurry the store.
func TestRejoinWithCallsUnderWay(t *testing.T) {
	t.Parallel()
	scene(t, site(1000, 10), func(ctx context.Context, f *fleet) {
		f.took = func() time.Duration { return time.Hour } // until their callers give up
		f.join(ctx, 40)
		p := f.join(ctx, 40)
		time.Sleep(10 * time.Second)
		p.set(func() { p.frozen = time.Now().Add(12 * time.Second) })
		time.Sleep(13 * time.Second)
		joined := map[string]bool{}
		before := f.shared.changes()
		for range 12 {
			time.Sleep(time.Second)
			for name := range f.shared.read().Entries {
				joined[name] = true
			}
		}
		if len(joined) > 3 {
			t.Errorf("two processes, of which one joined twice, have had the entries %v", joined)
		}
		if changes := f.shared.changes() - before; changes > 12*4 {
			t.Errorf("two processes wrote %d times in 12 s", changes)
		}
	})
}

// TestEndWhileRenewing: who is told to end while it renews leaves all the same.
func TestEndWhileRenewing(t *testing.T) {
	t.Parallel()
	scene(t, site(600, 50), func(ctx context.Context, f *fleet) {
		p := f.join(ctx, 10)
		time.Sleep(5 * time.Second)
		p.over(func() way { return way{there: 200 * time.Millisecond, back: 200 * time.Millisecond} })
		for !p.asks() {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond) // it has taken effect, and the answer is on its way
		p.cancel()
		time.Sleep(2 * time.Second)
		if _, entry := f.only(t); !entry.Left {
			t.Errorf("2 s after the end its entry is %+v", entry)
		}
	})
}
