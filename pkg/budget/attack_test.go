package budget_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/budget"
)

// attack is a window of 60 s into which as many calls crowd as the rules let through: all buckets are
// full when it begins, what is permitted right before it arrives with it, and everybody calls all
// through it, whatever happens then.
type attack struct {
	limits  budget.Limits
	pods    int
	workers int
	endless bool        // calls last until their callers give up
	happens func(*raid) // once the buckets are empty
	least   int         // calls in the window: with fewer, the attack proves nothing
}

// raid is an attack under way.
type raid struct {
	*fleet
	ctx     context.Context
	workers int
	pods    []*pod
	begin   time.Time // of the window
}

func (a attack) run(t *testing.T) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &raid{fleet: newFleet(1, a.limits), ctx: ctx, workers: a.workers}
		r.calm.Store(true)
		r.took = func() time.Duration { return 20 * time.Millisecond }
		if a.endless {
			r.took = func() time.Duration { return time.Hour }
		}
		r.join(a.pods)
		time.Sleep(20 * time.Second)

		r.begin = r.besiege()
		time.Sleep(100 * time.Millisecond) // now they are empty
		if a.happens != nil {
			a.happens(r)
		}
		r.after(70 * time.Second)
		cancel()
		r.group.Wait()
		r.kept(t)
		if calls := r.in(r.begin, window); calls < a.least {
			t.Errorf("%d calls in the window, want at least %d", calls, a.least)
		}
	})
}

// after waits until so much of the window is over.
func (r *raid) after(passed time.Duration) { time.Sleep(time.Until(r.begin.Add(passed))) }

// join has more pods take part.
func (r *raid) join(pods int) {
	for range pods {
		r.pods = append(r.pods, r.fleet.join(r.ctx, r.workers))
	}
}

// each does the same to some pods.
func each(pods []*pod, do func(*pod)) {
	for _, p := range pods {
		do(p)
	}
}

// site is the limits of a site that allows so many calls in a minute, and so many at once.
func site(perMinute, atOnce int) budget.Limits {
	return budget.Limits{RequestsPerMinute: perMinute, MaxConcurrent: atOnce, CallTimeout: 30 * time.Second, Jitter: jitter}
}

// slow is a site that is a long way off.
func slow(perMinute, atOnce int, jitter time.Duration) budget.Limits {
	limits := site(perMinute, atOnce)
	limits.Jitter = jitter
	return limits
}

// TestAttacks play the worst that can happen in a window of 60 s.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]attack{
		"one with a small budget": {limits: site(30, 4), pods: 1, workers: 10, least: 29},
		"as many as may share":    {limits: site(150, 15), pods: 5, workers: 10, least: 144},
		"three with much to do":   {limits: site(1000, 60), pods: 3, workers: 30, least: 990},
		"a long way":              {limits: slow(600, 100, 8*time.Second), pods: 2, workers: 60, least: 590},

		// What their buckets held came, and counts on, although they have left.
		"all but one leave": {limits: site(600, 60), pods: 20, workers: 5, least: 580, happens: func(r *raid) {
			each(r.pods[1:], (*pod).leave)
		}},
		"all but one leave on a long way": {limits: slow(600, 120, 8*time.Second), pods: 20, workers: 10, least: 510, happens: func(r *raid) {
			each(r.pods[1:], (*pod).leave)
		}},
		"all but one crash": {limits: site(600, 60), pods: 20, workers: 5, least: 460, happens: func(r *raid) {
			each(r.pods[1:], (*pod).crash)
		}},
		// Others take over what they left.
		"all are replaced, and again": {limits: site(600, 60), pods: 18, workers: 5, least: 500, happens: func(r *raid) {
			for i := range 4 {
				r.after(time.Duration(1+i*15) * time.Second)
				each(r.pods[len(r.pods)-17:], (*pod).leave)
				time.Sleep(300 * time.Millisecond)
				r.join(17)
			}
		}},

		// Those who do not hear of it that others took their rate stop in time.
		"half are cut off from the store": {limits: site(1000, 60), pods: 6, workers: 20, least: 900, happens: func(r *raid) {
			r.after(5 * time.Second)
			each(r.pods[3:], func(p *pod) { p.over(cutOff) })
		}},
		"half are cut off after an answer that came late": {limits: site(1000, 60), pods: 6, workers: 20, least: 900, happens: func(r *raid) {
			r.after(5 * time.Second)
			for _, p := range r.pods[3:] {
				calls := 0
				p.over(func() way {
					if calls++; calls > 1 {
						return cutOff()
					}
					return way{there: 10 * time.Millisecond, back: 5900 * time.Millisecond}
				})
			}
		}},
		"half come back before they could know that they are taken for left": {limits: site(1000, 60), pods: 6, workers: 20, least: 720, happens: func(r *raid) {
			for i := range 3 {
				r.after(time.Duration(5+20*i) * time.Second)
				each(r.pods[3:], func(p *pod) { p.set(func() { p.frozen = time.Now().Add(time.Duration(11+2*i) * time.Second) }) })
			}
		}},
		"one hears late that it was lowered": {limits: site(1000, 60), pods: 1, workers: 65, least: 900, happens: func(r *raid) {
			r.after(5 * time.Second)
			calls := 0 // since it could see that others came
			r.pods[0].over(func() way {
				if len(r.shared.read().Entries) > 1 {
					calls++
				}
				if calls == 2 {
					return way{there: 10 * time.Millisecond, back: 5800 * time.Millisecond}
				}
				return direct()
			})
			r.join(3)
		}},
		// They missed the time in which what they call with was in the budget.
		"all but one come back after long, with full buckets": {limits: site(600, 60), pods: 20, workers: 5, least: 560, happens: func(r *raid) {
			each(r.pods[1:], func(p *pod) { p.over(func() way { return way{dropped: true, fails: 50 * time.Millisecond} }) })
			r.pods[0].work(r.ctx, 40)
			r.begin = r.begin.Add(100 * time.Second)
			r.set(func() { r.attack = r.begin })
			r.after(56 * time.Second)
			each(r.pods[1:], func(p *pod) { p.over(direct) })
		}},
		// Everybody sees that all of it is free.
		"all begin at once": {limits: site(1000, 60), pods: 8, workers: 10, least: 950, happens: func(r *raid) {
			each(r.pods, func(p *pod) { p.set(func() { p.busy = false }) })
			r.after(100 * time.Second)
			r.begin = r.begin.Add(100 * time.Second)
			each(r.pods, func(p *pod) { p.set(func() { p.busy = true }) })
		}},

		// Calls under way count on, whoever made them.
		"all but one leave their calls behind": {limits: site(1000, 30), pods: 3, workers: 40, endless: true, least: 36, happens: func(r *raid) {
			each(r.pods[1:], (*pod).leave)
			r.join(2)
		}},
		"all but one crash and leave their calls behind": {limits: site(1000, 30), pods: 3, workers: 40, endless: true, least: 36, happens: func(r *raid) {
			each(r.pods[1:], (*pod).crash)
			r.after(9 * time.Second)
			for range 10 {
				time.Sleep(500 * time.Millisecond)
				r.join(1)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attack.run(t)
		})
	}
}
