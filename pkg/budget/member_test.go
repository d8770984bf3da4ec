package budget_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/pace"
)

// steady is a site whose store works, with so many pods that have all the work they can do.
func steady(t *testing.T, perMinute, pods, workers int) (*fleet, []*pod) {
	t.Helper()
	f := newFleet(1, budget.Limits{RequestsPerMinute: perMinute, MaxConcurrent: 50, CallTimeout: 5 * time.Second, Jitter: time.Second})
	f.calm.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	var started []*pod
	for i := range pods {
		p := f.start(ctx, 0)
		p.work(ctx, workers)
		p.set(func() { p.busy = true })
		started = append(started, p)
		time.Sleep(time.Duration(i*37) * time.Millisecond)
	}
	t.Cleanup(func() {
		cancel()
		f.group.Wait()
	})
	return f, started
}

// share is how much of the budget was used from a time on, for so long.
func (f *fleet) share(from time.Time, length time.Duration) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := 0
	for _, at := range f.arrivals {
		if !at.Before(from) && at.Before(from.Add(length)) {
			calls++
		}
	}
	return float64(calls) / (float64(f.limits.RequestsPerMinute) * length.Minutes())
}

func (f *fleet) wantShare(t *testing.T, what string, from time.Time, length time.Duration, least float64) {
	t.Helper()
	if got := f.share(from, length); got < least || got > 1 {
		t.Errorf("%s: %.1f %% of the budget was used, want at least %.0f %%", what, 100*got, 100*least)
	}
}

func TestStableFleetsUseTheBudget(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		perMinute, pods int
		least           float64
	}{
		{150, 1, 0.95},
		{600, 1, 0.95},
		{600, 4, 0.95},
		{600, 5, 0.95},
		{3500, 10, 0.95},
		{150, 10, 0.89}, // five of them have a share
	} {
		t.Run(fmt.Sprintf("%d pods at %d a minute", row.pods, row.perMinute), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, _ := steady(t, row.perMinute, row.pods, 2+row.perMinute/300)
				time.Sleep(10 * time.Second)
				from := time.Now()
				time.Sleep(3 * time.Minute)
				f.wantShare(t, "at full demand", from, 3*time.Minute, row.least)
			})
		})
	}
}

// TestWorstWindow has calls crowd into a window: buckets are full when it begins, and what was
// permitted before arrives with it. It sees all of the budget, to the last call or two, and no more.
func TestWorstWindow(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{150, 300, 600} {
		for _, pods := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				f, _ := steady(t, perMinute, pods, 25)
				f.calm.Store(false)
				time.Sleep(6 * time.Minute)
				if most := mostIn(f.arrived(), time.Minute); most > perMinute || most < perMinute-1-2*pods {
					t.Errorf("%d pods: %d calls in 60 s, the budget is %d", pods, most, perMinute)
				}
			})
		}
	}
}

// TestShareFollowsDemand: what an idle pod does not need is with the busy one within two
// renewals, and one with much to do does not starve another.
func TestShareFollowsDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, pods := steady(t, 600, 2, 20)
		time.Sleep(20 * time.Second)
		for _, p := range pods {
			if got := p.member.Granted(); got < 270 || got > 300 {
				t.Errorf("one of two busy pods may call %.0f times a minute", got)
			}
		}
		pods[1].set(func() { pods[1].busy = false })
		time.Sleep(7 * time.Second) // its last calls, which are waiting, take 4 s
		if got := pods[0].member.Granted(); got < 550 {
			t.Errorf("the only busy pod may call %.0f times a minute", got)
		}
		pods[1].set(func() { pods[1].busy = true })
		time.Sleep(2500 * time.Millisecond)
		if got := pods[1].member.Granted(); got < 270 {
			t.Errorf("2.5 s after it became busy a pod may call %.0f times a minute", got)
		}
		from := time.Now()
		time.Sleep(time.Minute)
		f.wantShare(t, "after the change", from, time.Minute, 0.95)
	})
}

// TestCrash frees the share of the dead within 12.5 seconds.
func TestCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, pods := steady(t, 600, 4, 5)
		time.Sleep(30 * time.Second)
		pods[2].set(func() { pods[2].crashed = true })
		pods[2].cancel()
		crashed := time.Now()
		time.Sleep(90 * time.Second)
		f.wantShare(t, "from 12.5 s after the crash", crashed.Add(12500*time.Millisecond), time.Minute, 0.95)
	})
}

// TestStoreOutage ends all calls within the life of a lease; they go on once it is over.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, _ := steady(t, 600, 3, 5)
		time.Sleep(10 * time.Second)
		f.mu.Lock()
		began := time.Now()
		f.until = began.Add(30 * time.Second)
		f.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if got := f.share(began.Add(8*time.Second), 20*time.Second); got != 0 {
			t.Errorf("%.1f %% of the budget was used without the store", 100*got)
		}
		f.wantShare(t, "after the outage", began.Add(35*time.Second), time.Minute, 0.90)
	})
}

// TestRefusal of one pod's call pauses all of them, and takes the limit down for a while.
func TestRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, pods := steady(t, 600, 3, 5)
		time.Sleep(10 * time.Second)
		permit, err := pods[0].member.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refused := time.Now()
		pods[0].member.Pause(permit, 20*time.Second)
		permit.Release()
		time.Sleep(2 * time.Second)
		for i, p := range pods {
			if !p.member.Paused() {
				t.Errorf("pod %d is not paused 2 s after another was refused", i)
			}
		}
		time.Sleep(88 * time.Second)
		if got := f.share(refused.Add(2*time.Second+jitter), 17*time.Second-jitter); got != 0 {
			t.Errorf("%.1f %% of the budget was used in the pause", 100*got)
		}
		if got := f.share(refused.Add(25*time.Second), time.Minute); got > 0.60 || got < 0.55 {
			t.Errorf("%.1f %% of the budget was used in the minute after the pause, want 60 at most", 100*got)
		}
		if got := f.shared.read(); got.Limit != 600 && got.Limit != 620 || got.Pause != nil {
			t.Errorf("got %+v", got)
		}
		time.Sleep(20 * time.Minute)
		if got := f.shared.read().Limit; got != pace.FullLimit {
			t.Errorf("the limit has grown to %d", got)
		}
	})
}

// TestOldRefusal: a call that left before the pause was seen says nothing new.
func TestOldRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, pods := steady(t, 600, 1, 1)
		time.Sleep(10 * time.Second)
		var permits []*pace.Permit
		for range 2 {
			permit, err := pods[0].member.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			permits = append(permits, permit)
		}
		for _, permit := range permits {
			time.Sleep(2 * time.Second)
			pods[0].member.Pause(permit, 10*time.Second)
			permit.Release()
		}
		time.Sleep(10 * time.Second)
		if got := f.shared.read(); got.Limit != 600 || got.Pause != nil || pods[0].member.Paused() {
			t.Errorf("got %+v", got)
		}
	})
}

// TestHold stops the fleet until the operator lets it go on.
func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, pods := steady(t, 600, 3, 5)
		time.Sleep(10 * time.Second)
		f.shared.update(func(b *pace.Budget) { b.Hold = &pace.Hold{Reason: "a price is wrong"} })
		began := time.Now()
		time.Sleep(time.Minute)
		if got := f.share(began.Add(2*time.Second+jitter), 50*time.Second); got != 0 || !pods[0].member.Paused() {
			t.Errorf("%.1f %% of the budget was used while an operator held it", 100*got)
		}
		if held := pods[2].member.Held(); held == nil || held.Reason != "a price is wrong" {
			t.Errorf("a pod says that it is held: %+v", held)
		}
		f.shared.update(func(b *pace.Budget) { b.Hold = nil })
		from := time.Now().Add(3 * time.Second)
		time.Sleep(2 * time.Minute)
		f.wantShare(t, "after it", from, time.Minute, 0.95)
		if held := pods[2].member.Held(); held != nil {
			t.Errorf("a pod still says that it is held: %+v", held)
		}
	})
}

// TestPodsWithoutShareTakeNoWork: at 150 calls a minute five pods have a share. The others
// are not let through, so that no message waits with them; one takes the place of one that
// leaves.
func TestPodsWithoutShareTakeNoWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, pods := steady(t, 150, 8, 1)
		time.Sleep(10 * time.Second)
		through := func() (count int) {
			for _, p := range pods {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				if _, err := p.member.Wait(ctx); err == nil {
					count++
				}
				cancel()
			}
			return count
		}
		if got := through(); got != 5 {
			t.Errorf("%d pods of 8 may take work, want 5", got)
		}
		for _, p := range pods {
			if p.member.Granted() > 0 {
				p.set(func() { p.busy = false })
				p.cancel()
				break
			}
		}
		time.Sleep(15 * time.Second)
		if got := through(); got != 5 {
			t.Errorf("%d pods of 7 may take work, want 5", got)
		}
	})
}

// TestCommand joins for its calls, before all pods, and leaves when it is done.
func TestCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, _ := steady(t, 150, 6, 2)
		time.Sleep(10 * time.Second)
		command := &pod{fleet: f, now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		command.member = budget.NewMember(budget.Config{Store: link{f.shared, f, command}, Now: time.Now, Limits: f.limits, Command: true})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			command.member.Run(ctx)
		}()
		asked := time.Now()
		for range 3 {
			permit, err := command.member.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			permit.Release()
		}
		if took := time.Since(asked); took > 15*time.Second {
			t.Errorf("three calls of a command took %s", took)
		}
		cancel()
		<-ended
		for name, entry := range f.shared.read().Entries {
			if name[:3] != "pod" && !entry.Left {
				t.Errorf("the command has left, and %s is %+v", name, entry)
			}
		}
	})
}
