package ratelimit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// settled is long enough for a change to reach all processes, and for calls to arrive that
// were sent before.
const settled = 2 * time.Second

// TestLimiter_ForeignCalls checks the pause after a 429 that another integration caused: it is
// one pause of the whole fleet, and the scale recovers.
func TestLimiter_ForeignCalls(t *testing.T) {
	t.Parallel()
	const limit = 600
	var scales []int64
	var began, pauseBegan time.Duration
	f := run(t, 1, func(ctx context.Context, f *fleet) {
		f.took = 500 * time.Millisecond
		for range 5 {
			f.start(ctx, options{limit: limit, workers: 5})
		}
		time.Sleep(2 * time.Minute)
		began = time.Since(f.began)
		f.set(func() { f.blocked = time.Now().Add(time.Second) })
		pauseBegan = began + settled
		time.Sleep(settled)
		for range 24 {
			found, _ := f.store.Read(ctx)
			scales = append(scales, found.Scale)
			time.Sleep(time.Minute)
		}
	})
	f.checkMost(limit)
	if f.refused < 2 {
		t.Errorf("%d calls were answered 429, want several for one pause", f.refused)
	}
	if calls := f.between(pauseBegan, began+10*time.Second); calls > 0 {
		t.Errorf("%d calls during the pause", calls)
	}
	if calls := f.between(began+10*time.Second, began+14*time.Second); calls == 0 {
		t.Error("no calls after the pause")
	}
	for i, want := range []int64{600, 600, 620, 640} {
		if scales[i] != want {
			t.Errorf("scale after %d minutes: got %d, want %d", i, scales[i], want)
		}
	}
	if last := scales[len(scales)-1]; last != ratelimit.FullScale {
		t.Errorf("scale in the end: got %d", last)
	}
	if reduced := f.between(began+20*time.Second, began+80*time.Second); reduced > limit*620/1000 {
		t.Errorf("%d calls in a minute with a scale of 600", reduced)
	}
}

// TestLimiter_PauseOutlivesItsWriter checks that a pause whose writer is gone ends.
func TestLimiter_PauseOutlivesItsWriter(t *testing.T) {
	t.Parallel()
	f := run(t, 1, func(ctx context.Context, f *fleet) {
		full := ratelimit.Control{Scale: ratelimit.FullScale}
		paused := ratelimit.Control{Scale: 600, Pause: ratelimit.Pause{ID: "gone", Seconds: 30}}
		if _, applied, err := f.store.SetControl(ctx, full, paused); !applied || err != nil {
			t.Fatal(applied, err)
		}
		f.start(ctx, options{limit: 600, workers: 5})
		time.Sleep(time.Minute)
		if found, _ := f.store.Read(ctx); found.Pause.InForce() {
			t.Error("the pause is still in force")
		}
	})
	if calls := f.between(0, 30*time.Second); calls > 0 {
		t.Errorf("%d calls during the pause", calls)
	}
	if f.calls() == 0 {
		t.Error("no calls after the pause")
	}
}

// TestLimiter_LateReport checks that a 429 to a call from before a pause adds nothing to it.
func TestLimiter_LateReport(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 600})
		first, _ := p.limiter.Acquire(ctx)
		late, _ := p.limiter.Acquire(ctx)
		p.limiter.Pause(first, 15*time.Second)
		time.Sleep(14 * time.Second)
		p.limiter.Pause(late, 15*time.Second)
		time.Sleep(2 * time.Second)
		if found, _ := f.store.Read(ctx); found.Pause.InForce() || found.Scale != 600 {
			t.Errorf("after the pause: %+v", found)
		}
	})
}

// TestLimiter_GrantDuringPause checks that permits whose grant was sent before a pause began
// are not handed out.
func TestLimiter_GrantDuringPause(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 600})
		first, _ := p.limiter.Acquire(ctx)
		f.set(func() { f.slow = 300 * time.Millisecond })
		started := time.Now()
		f.group.Go(func() {
			time.Sleep(100 * time.Millisecond)
			p.limiter.Pause(first, 0)
		})
		if _, err := p.limiter.Acquire(ctx); err != nil || time.Since(started) < 10*time.Second {
			t.Errorf("a permit after %s, %v", time.Since(started), err)
		}
	})
}

// TestLimiter_SlowStore checks that the life of permits begins with the update that grants
// them, not with its reply.
func TestLimiter_SlowStore(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		f.slow = 300 * time.Millisecond
		p := f.start(ctx, options{limit: 600})
		time.Sleep(time.Second)
		permit, err := p.limiter.Acquire(ctx)
		if err != nil || permit.Spend() != nil {
			t.Errorf("a permit that cannot be spent, %v", err)
		}
		started := time.Now()
		permit, err = p.limiter.Acquire(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		time.Sleep(time.Until(started.Add(ratelimit.Life + time.Millisecond)))
		if permit.Spend() == nil {
			t.Errorf("the permit can be spent %s after its update began", time.Since(started))
		}
	})
}

// TestLimiter_Stalled checks that a process that was paused while it was granted permits
// hands out none that are too old.
func TestLimiter_Stalled(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 600})
		time.Sleep(time.Second)
		f.set(func() { f.slow = 100 * time.Millisecond })
		f.group.Go(func() {
			time.Sleep(50 * time.Millisecond) // the reply is on its way
			p.freeze(2 * time.Second)
		})
		permit, err := p.limiter.Acquire(ctx)
		if err != nil || permit.Spend() != nil {
			t.Errorf("the permit cannot be spent, %v", err)
		}
		if passed := time.Since(f.began); passed < 3*time.Second {
			t.Errorf("the process was not frozen: %s", passed)
		}
	})
}

func TestLimiter_OperatorPause(t *testing.T) {
	t.Parallel()
	var paused, resumed time.Duration
	f := run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 600, workers: 5})
		idle := f.start(ctx, options{limit: 600})
		time.Sleep(time.Minute)
		pause := ratelimit.OperatorPause{Reason: "a price is wrong", Since: 1}
		inForce, applied, err := ratelimit.PauseByOperator(ctx, &f.store, pause)
		if err != nil || !applied || inForce != pause {
			t.Errorf("pause: %+v, %t, %v", inForce, applied, err)
		}
		inForce, applied, err = ratelimit.PauseByOperator(ctx, &f.store, ratelimit.OperatorPause{Reason: "another", Since: 2})
		if err != nil || applied || inForce != pause {
			t.Errorf("second pause: %+v, %t, %v", inForce, applied, err)
		}
		paused = time.Since(f.began)
		time.Sleep(time.Minute)
		if status := p.limiter.Status(); status.OperatorPause != pause || status.Waiting != 5 || status.Err != nil {
			t.Errorf("status: %+v", status)
		}
		waiting, cancel := context.WithTimeout(ctx, time.Second)
		if _, err := idle.limiter.Wait(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
		cancel()
		resumed = time.Since(f.began)
		if applied, err := ratelimit.Resume(ctx, &f.store); err != nil || !applied {
			t.Errorf("resume: %t, %v", applied, err)
		}
		if applied, err := ratelimit.Resume(ctx, &f.store); err != nil || applied {
			t.Errorf("second resume: %t, %v", applied, err)
		}
		time.Sleep(time.Minute)
	})
	if calls := f.between(paused+settled, resumed); calls > 0 {
		t.Errorf("%d calls during the pause", calls)
	}
	if calls := f.between(resumed, resumed+2*time.Second); calls == 0 {
		t.Error("no calls within 2 s after the resumption")
	}
}

// TestLimiter_Outage checks that no permits are granted without the store, that a pool of
// workers notices, and that all goes on afterwards.
func TestLimiter_Outage(t *testing.T) {
	t.Parallel()
	var began time.Duration
	f := run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 600, workers: 5})
		idle := f.start(ctx, options{limit: 600})
		time.Sleep(time.Minute)
		if _, err := idle.limiter.Wait(ctx); err != nil {
			t.Error(err)
		}
		began = time.Since(f.began)
		f.set(func() { f.outage = time.Now().Add(30 * time.Second) })
		time.Sleep(8 * time.Second)
		if p.limiter.Status().Err == nil {
			t.Error("no error in the status")
		}
		started := time.Now()
		if _, err := idle.limiter.Wait(ctx); err != nil || time.Since(started) < 20*time.Second {
			t.Errorf("Wait returned after %s, %v", time.Since(started), err)
		}
		time.Sleep(time.Minute)
		if err := p.limiter.Status().Err; err != nil {
			t.Error(err)
		}
	})
	f.checkMost(600)
	if calls := f.between(began+settled, began+30*time.Second); calls > 0 {
		t.Errorf("%d calls without the store", calls)
	}
	if calls := f.between(began+30*time.Second, began+32*time.Second); calls == 0 {
		t.Error("no calls within 2 s after the outage")
	}
}

// TestLimiter_Wait checks that a pool receives no messages while its callers wait too long.
func TestLimiter_Wait(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 20})
		if _, err := p.limiter.Wait(ctx); err != nil || time.Since(f.began) > time.Second {
			t.Errorf("without callers: after %s, %v", time.Since(f.began), err)
		}
		for range 10 {
			f.group.Go(func() { _, _ = p.limiter.Acquire(ctx) })
		}
		time.Sleep(10 * time.Second)
		started := time.Now()
		if _, err := p.limiter.Wait(ctx); err != nil || time.Since(started) < 10*time.Second {
			t.Errorf("with callers: after %s, %v", time.Since(started), err)
		}
		if waiting := p.limiter.Status().Waiting; waiting != 0 {
			t.Errorf("%d callers still wait", waiting)
		}
	})
}

// TestLimiter_AcquireEnds checks that a caller that gives up takes no permit.
func TestLimiter_AcquireEnds(t *testing.T) {
	t.Parallel()
	run(t, 1, func(ctx context.Context, f *fleet) {
		p := f.start(ctx, options{limit: 20})
		cause := errors.New("given up")
		for i := range 10 {
			waiting, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, cause)
			if permit, err := p.limiter.Acquire(waiting); (err == nil) != (permit != nil) || err != nil && !errors.Is(err, cause) {
				t.Errorf("caller %d: %v, %v", i, permit, err)
			}
			cancel()
		}
		ended, cancel := context.WithCancelCause(ctx)
		cancel(cause)
		if _, err := p.limiter.Acquire(ended); !errors.Is(err, cause) {
			t.Errorf("a context that has ended: %v", err)
		}
		if waiting := p.limiter.Status().Waiting; waiting != 0 {
			t.Errorf("%d callers wait", waiting)
		}
		granted := p.limiter.Status().Granted
		time.Sleep(time.Minute)
		if now := p.limiter.Status().Granted; now != granted {
			t.Errorf("%d permits without a caller", now-granted)
		}
	})
}

// stubborn is a store that refuses each control.
type stubborn struct {
	ratelimittest.Store

	refused int
}

func (s *stubborn) SetControl(ctx context.Context, _, _ ratelimit.Control) (ratelimit.State, bool, error) {
	s.refused++
	found, err := s.Read(ctx)
	return found, false, err
}

// TestLimiter_RefusedControl checks that a write that is refused again and again is not
// repeated without a delay.
func TestLimiter_RefusedControl(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &stubborn{}
		limiter := ratelimit.New(ratelimit.Config{Store: store, Now: time.Now, RequestsPerMinute: 600})
		var run sync.WaitGroup
		run.Go(func() { limiter.Run(ctx) })
		permit, err := limiter.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		limiter.Pause(permit, 0)
		time.Sleep(10 * time.Second)
		cancel()
		run.Wait()
		if store.refused == 0 || store.refused > 100 {
			t.Errorf("%d attempts in 10 s", store.refused)
		}
	})
}

// TestLimiter_Observe checks that changes of the control and of the error are reported once.
func TestLimiter_Observe(t *testing.T) {
	t.Parallel()
	var reports []ratelimit.Status
	run(t, 1, func(ctx context.Context, f *fleet) {
		ctx, cancel := context.WithCancel(ctx)
		p := &process{fleet: f, stop: cancel}
		limiter := ratelimit.New(ratelimit.Config{
			Store: link{p}, Now: p.now, RequestsPerMinute: 600, Jitter: jitter,
			Observe: func(status ratelimit.Status) { reports = append(reports, status) },
		})
		f.group.Go(func() { limiter.Run(ctx) })
		time.Sleep(5 * time.Second)
		if _, _, err := ratelimit.PauseByOperator(ctx, &f.store, ratelimit.OperatorPause{Reason: "a price is wrong", Since: 1}); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		f.set(func() { f.outage = time.Now().Add(5 * time.Second) })
		time.Sleep(10 * time.Second)
		cancel()
	})
	if len(reports) != 3 || !reports[0].OperatorPause.InForce() || reports[1].Err == nil || reports[2].Err != nil {
		t.Errorf("reports: %+v", reports)
	}
}
