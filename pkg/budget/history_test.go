package budget_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/budget"
)

// More histories: go test ./pkg/budget -run TestFleet -fleets 5000.
var (
	fleets = flag.Int("fleets", 60, "how many histories of a fleet happen")
	first  = flag.Uint64("first", 1, "seed of the first")
)

// TestFleet lets processes come, go, crash, stop and wake, lose the store, or all lose it, with a
// store that loses, delays and refuses, and demand that comes and goes: never are more calls in any
// 60 seconds than the budget, nor more at once than allowed, and in the end nothing of it is lost.
func TestFleet(t *testing.T) {
	t.Parallel()
	for i := range *fleets {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { happen(t, seed) })
		})
	}
}

// history is one of them, as it is drawn.
type history struct {
	*fleet
	ctx     context.Context
	draw    *rand.Rand
	workers int
	pods    []*pod
}

func happen(t *testing.T, seed uint64) {
	draw := rand.New(rand.NewPCG(seed, 1))
	pick := func(numbers ...int) int { return numbers[draw.IntN(len(numbers))] }
	limits := budget.Limits{
		RequestsPerMinute: pick(30, 150, 300, 1000, 1000),
		CallTimeout:       30 * time.Second,
		Jitter:            time.Second,
	}
	limits.MaxConcurrent = 10 + limits.RequestsPerMinute/20
	scarce := pick(1, 2, 3, 4) == 1 // slots are, rather than calls
	if scarce {
		limits.RequestsPerMinute, limits.MaxConcurrent = 1000, pick(3, 10, 20)
		limits.CallTimeout = time.Duration(pick(5, 30)) * time.Second
	}
	h := &history{fleet: newFleet(seed, limits), draw: draw, workers: 2 + limits.MaxConcurrent/2}
	if scarce {
		h.took = func() time.Duration { return h.upTo(2 * h.limits.CallTimeout) }
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.ctx = ctx
	for range 3 {
		h.quiet(2 + draw.IntN(8))
		troubles := pick(0, 0, 0, 3, 15)
		h.set(func() { h.troubles = troubles })
		h.turmoil(pick(0, 1, 1, 2, 2, 4))
	}
	cancel()
	h.group.Wait()
	h.kept(t)
	h.settles(t)
}

func (h *history) random(most time.Duration) time.Duration {
	return time.Duration(h.draw.Int64N(int64(most)))
}

// come starts processes; some are commands.
func (h *history) come(processes int) {
	for range processes {
		skew := h.random(time.Minute) - 30*time.Second
		p := h.launch(h.ctx, budget.Config{
			Now:     func() time.Time { return time.Now().Add(skew) },
			Command: h.draw.IntN(8) == 0,
		})
		p.set(func() { p.busy = true })
		p.work(h.ctx, h.workers)
		h.pods = append(h.pods, p)
	}
}

// some returns a few processes.
func (h *history) some() []*pod {
	h.draw.Shuffle(len(h.pods), func(i, j int) { h.pods[i], h.pods[j] = h.pods[j], h.pods[i] })
	return h.pods[:h.draw.IntN(len(h.pods)+1)]
}

// drop forgets processes that ended.
func (h *history) drop(gone []*pod) {
	h.pods = slices.DeleteFunc(h.pods, func(p *pod) bool { return slices.Contains(gone, p) })
}

// quiet is a time without troubles, with so many processes at least that all have much to do. Then
// begins a window into which crowds what can.
func (h *history) quiet(processes int) {
	h.set(func() { h.troubles = 0 })
	h.come(max(processes-len(h.pods), 0))
	each(h.pods, func(p *pod) {
		p.over(nil)
		p.set(func() { p.busy, p.frozen = true, time.Time{} })
	})
	time.Sleep(15*time.Second + h.random(5*time.Second))
	h.besiege()
	time.Sleep(h.random(2 * time.Second))
}

// turmoil is a window in which so many things happen.
func (h *history) turmoil(things int) {
	end := time.Now().Add(window)
	for range things {
		time.Sleep(h.random(20*time.Second) * time.Duration(h.draw.IntN(2)))
		h.happens()
	}
	time.Sleep(time.Until(end))
}

func (h *history) happens() {
	some := slices.Clone(h.some())
	switch h.draw.IntN(9) {
	case 0:
		each(some, func(p *pod) { p.cancel() })
		h.drop(some)
	case 1:
		each(some, (*pod).crash)
		h.drop(some)
	case 2: // a rollout
		each(some, (*pod).leave)
		h.drop(some)
		time.Sleep(h.random(5 * time.Second))
		h.come(len(some))
	case 3:
		h.come(1 + h.draw.IntN(3))
	case 4:
		each(some, func(p *pod) { p.set(func() { p.busy = !p.busy }) })
	case 5:
		each(some, func(p *pod) { p.set(func() { p.frozen = time.Now().Add(h.random(25 * time.Second)) }) })
	case 6: // some do not get through to the store
		each(some, func(p *pod) { p.over(cutOff) })
		h.group.Go(func() {
			time.Sleep(h.upTo(80 * time.Second))
			each(some, func(p *pod) { p.over(nil) })
		})
	case 7: // some get their answers late
		each(some, func(p *pod) {
			p.over(func() way { return way{there: h.upTo(time.Second), back: h.upTo(6 * time.Second)} })
		})
		h.group.Go(func() {
			time.Sleep(h.upTo(20 * time.Second))
			each(some, func(p *pod) { p.over(nil) })
		})
	case 8:
		h.set(func() { h.until = time.Now().Add(time.Duration(h.draw.IntN(20)) * time.Second) })
	}
}
