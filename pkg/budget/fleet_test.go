package budget_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/pace"
)

// fleet is a site, its budget, and the processes that call it. All of it happens in virtual time.
type fleet struct {
	limits budget.Limits
	shared *shared
	calm   atomic.Bool // no attacks are drawn: calls are made as soon as they may be
	group  sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	troubles int                  // of 100 calls of the store, what is lost and what is slow
	attack   time.Time            // when the window begins that calls crowd into
	until    time.Time            // of an outage of the store
	took     func() time.Duration // by Chargebee, for one call
	hangs    time.Time            // until when Chargebee answers nothing
	arrivals []time.Time
	flying   int64
	most     int64
}

func newFleet(seed uint64, limits budget.Limits) *fleet {
	f := &fleet{limits: limits, shared: newShared(), random: rand.New(rand.NewPCG(seed, 7))}
	f.took = func() time.Duration {
		if f.number(100) == 0 {
			return f.upTo(limits.CallTimeout)
		}
		return f.upTo(50 * time.Millisecond)
	}
	return f
}

func (f *fleet) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fleet) number(below int) (drawn int) {
	f.set(func() { drawn = f.random.IntN(below) })
	return drawn
}

func (f *fleet) upTo(most time.Duration) time.Duration { return time.Duration(f.number(int(most))) }

// besiege returns when the buckets of all processes are full, everybody waits, and all of that will
// crowd into the window whose begin it returns. Chargebee did not answer for a while: all slots were
// taken, so that those who waited kept their rate without a call. Now it answers all at once.
func (f *fleet) besiege() (begin time.Time) {
	const quiet = 25 * time.Second
	begin = time.Now().Add(quiet + pace.PermitLife + f.limits.Jitter)
	f.set(func() { f.hangs, f.attack = time.Now().Add(quiet), begin })
	time.Sleep(quiet)
	return begin
}

// late is how long a call that is permitted now waits in order to arrive in the next window that calls
// crowd into: it does if permit and way may take so long, otherwise it comes at once.
func (f *fleet) late() (wait time.Duration) {
	f.set(func() {
		for !f.calm.Load() && !f.attack.After(time.Now()) {
			f.attack = time.Now().Add(time.Duration(65+f.random.IntN(30)) * time.Second)
		}
		wait = max(time.Until(f.attack), 0)
	})
	if wait > pace.PermitLife+f.limits.Jitter {
		return 0
	}
	return wait
}

func (f *fleet) outage() (until time.Time) {
	f.set(func() { until = f.until })
	return until
}

// call is one call that arrives at Chargebee. Its caller gives up at the deadline.
func (f *fleet) call(deadline time.Time) {
	var (
		took  func() time.Duration
		hangs time.Time
	)
	f.set(func() {
		f.arrivals = append(f.arrivals, time.Now())
		f.flying++
		f.most = max(f.most, f.flying)
		took, hangs = f.took, f.hangs
	})
	time.Sleep(min(max(took(), time.Until(hangs)), time.Until(deadline)))
	f.set(func() { f.flying-- })
}

// arrived are the times at which calls arrived.
func (f *fleet) arrived() (times []time.Time) {
	f.set(func() { times = slices.Clone(f.arrivals) })
	return times
}

// in is how many calls arrived in a time.
func (f *fleet) in(since time.Time, span time.Duration) (calls int) {
	for _, at := range f.arrived() {
		if passed := at.Sub(since); passed >= 0 && passed < span {
			calls++
		}
	}
	return calls
}

// mostIn is the most of the times that lie in any span of the given length.
func mostIn(times []time.Time, span time.Duration) int {
	slices.SortFunc(times, time.Time.Compare)
	most, first := 0, 0
	for last, at := range times {
		for at.Sub(times[first]) >= span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// kept says whether all that happened was within the limits.
func (f *fleet) kept(t *testing.T) {
	t.Helper()
	if most := mostIn(f.arrived(), window); most > f.limits.RequestsPerMinute {
		t.Errorf("%d calls in 60 s, the budget is %d", most, f.limits.RequestsPerMinute)
	}
	if f.most > int64(f.limits.MaxConcurrent) {
		t.Errorf("%d calls at once, allowed are %d", f.most, f.limits.MaxConcurrent)
	}
}

const window = time.Minute // in which Chargebee counts

// pod is one process.
type pod struct {
	fleet  *fleet
	now    func() time.Time
	member *budget.Member
	cancel context.CancelFunc

	mu      sync.Mutex
	crashed bool
	frozen  time.Time // until when it is stopped
	busy    bool
	calls   int        // that it made
	asking  int        // calls of the store
	network func() way // to the store, if it is not the fleet's
}

// start starts a process whose clock is wrong by so much.
func (f *fleet) start(ctx context.Context, skew time.Duration) *pod {
	return f.launch(ctx, budget.Config{Now: func() time.Time { return time.Now().Add(skew) }})
}

func (f *fleet) launch(ctx context.Context, config budget.Config) *pod {
	p := &pod{fleet: f, now: config.Now}
	ctx, p.cancel = context.WithCancel(ctx)
	config.Store, config.Limits = link{f.shared, f, p}, f.limits
	p.member = budget.NewMember(config)
	f.group.Go(func() { p.member.Run(ctx) })
	return p
}

// work has so many workers call whenever the pod is busy, as long as ctx lives.
func (p *pod) work(ctx context.Context, workers int) {
	for range workers {
		p.fleet.group.Go(func() {
			for ctx.Err() == nil && !p.dead() {
				if !p.working() {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				p.call(ctx)
			}
		})
	}
}

// call makes one call, in the way that is worst for the window that begins next: what is permitted
// before it arrives with it, if permit and way may take so long.
func (p *pod) call(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	permit, err := p.member.Acquire(ctx)
	if err != nil {
		return
	}
	defer permit.Release()
	p.stall()
	late := p.fleet.late()
	time.Sleep(min(late, pace.PermitLife))
	p.stall()
	if p.dead() || permit.Spend(p.now()) != nil {
		return
	}
	deadline := time.Now().Add(p.fleet.limits.CallTimeout)
	time.Sleep(max(late-pace.PermitLife, 0))
	p.set(func() { p.calls++ })
	p.fleet.call(deadline)
}

func (p *pod) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// leave ends the process as it should, between two calls of the store.
func (p *pod) leave() {
	for p.asks() {
		time.Sleep(5 * time.Millisecond)
	}
	p.cancel()
}

func (p *pod) asks() (asks bool) {
	p.set(func() { asks = p.asking > 0 })
	return asks
}

// crash ends the process at once.
func (p *pod) crash() {
	p.set(func() { p.crashed = true })
	p.cancel()
}

// over lets the process's calls of the store travel like this; nil: as the fleet's do.
func (p *pod) over(network func() way) { p.set(func() { p.network = network }) }

func (p *pod) ask(more int) { p.set(func() { p.asking += more }) }

func (p *pod) path() (network func() way) {
	p.set(func() { network = p.network })
	return network
}

// called is how many calls the process made.
func (p *pod) called() (calls int) {
	p.set(func() { calls = p.calls })
	return calls
}

func (p *pod) dead() (dead bool) {
	p.set(func() { dead = p.crashed })
	return dead
}

func (p *pod) working() (busy bool) {
	p.set(func() { busy = p.busy })
	return busy
}

// stall waits as long as the process is stopped.
func (p *pod) stall() {
	var until time.Time
	p.set(func() { until = p.frozen })
	time.Sleep(time.Until(until))
}

// scene is a fleet without troubles and attacks.
func scene(t *testing.T, limits budget.Limits, play func(context.Context, *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := newFleet(1, limits)
		f.calm.Store(true)
		f.took = func() time.Duration { return 20 * time.Millisecond }
		play(ctx, f)
		cancel()
		f.group.Wait()
		f.kept(t)
	})
}

// join starts a process without troubles on its way to the store, that has much to do.
func (f *fleet) join(ctx context.Context, workers int) *pod {
	p := f.start(ctx, 0)
	p.over(direct)
	p.set(func() { p.busy = true })
	p.work(ctx, workers)
	return p
}

// only returns the one entry there is.
func (f *fleet) only(t *testing.T) (name string, entry pace.Entry) {
	t.Helper()
	entries := f.shared.read().Entries
	if len(entries) != 1 {
		t.Fatalf("want one entry, got %+v", entries)
	}
	for name, entry = range entries {
	}
	return name, entry
}

// settles has one process look after what the others left: in the end nothing is taken.
func (f *fleet) settles(t *testing.T) {
	f.set(func() { f.troubles, f.until = 0, time.Time{} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := f.start(ctx, 0)
	time.Sleep(3*time.Minute + f.limits.CallTimeout)
	found := f.shared.read()
	var sums pace.Sums
	for _, entry := range found.Entries {
		sums.Cost += entry.Cost
		sums.Slots += entry.Slots
	}
	if found.Used != sums.Cost || found.Slots != sums.Slots {
		t.Errorf("%d of the budget and %d slots are taken, the entries come to %+v", found.Used, found.Slots, sums)
	}
	if len(found.Entries) != 1 {
		t.Errorf("%d entries for one process: %+v", len(found.Entries), found.Entries)
	}
	p.cancel()
	f.group.Wait()
}
