package ratelimit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

const (
	window = time.Minute
	jitter = time.Second
)

// fleet is the processes that call one site, in virtual time.
type fleet struct {
	t     *testing.T
	store ratelimittest.Store
	began time.Time
	group sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	faults   int           // of 100 accesses to the store, how many fail
	outage   time.Time     // until when the store does not answer
	slow     time.Duration // by which all replies of the store are late
	crowd    time.Duration // calls are delayed into the window that begins at the next multiple; 0: not delayed
	blocked  time.Time     // until when the site answers 429
	took     time.Duration // by a call
	arrivals []time.Time
	refused  int
}

// run runs a fleet in virtual time.
func run(t *testing.T, seed uint64, play func(context.Context, *fleet)) *fleet {
	t.Helper()
	f := &fleet{t: t, random: rand.New(rand.NewPCG(seed, 1)), took: 100 * time.Millisecond}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f.began = time.Now()
		play(ctx, f)
		cancel()
		f.group.Wait()
	})
	slices.SortFunc(f.arrivals, time.Time.Compare)
	return f
}

func (f *fleet) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fleet) upTo(most time.Duration) (drawn time.Duration) {
	if most > 0 {
		f.set(func() { drawn = time.Duration(f.random.Int64N(int64(most))) })
	}
	return drawn
}

// most returns the most arrivals in any window that begins after since.
func (f *fleet) most(since time.Duration) (most int) {
	first := 0
	for last, at := range f.arrivals {
		for at.Sub(f.arrivals[first]) >= window || f.arrivals[first].Sub(f.began) < since {
			if first++; first > last {
				break
			}
		}
		most = max(most, last-first+1)
	}
	return most
}

// between returns the number of arrivals from one time after the begin to another.
func (f *fleet) between(from, to time.Duration) int {
	find := func(d time.Duration) int {
		i, _ := slices.BinarySearchFunc(f.arrivals, f.began.Add(d), time.Time.Compare)
		return i
	}
	return find(to) - find(from)
}

// checkMost checks that no window had more arrivals than allowed.
func (f *fleet) checkMost(allowed int) {
	f.t.Helper()
	if most := f.most(0); most > allowed {
		f.t.Errorf("%d arrivals within 60 s, allowed are %d", most, allowed)
	}
}

// calls returns the number of arrivals.
func (f *fleet) calls() int { return len(f.arrivals) }

// process is one process with its workers.
type process struct {
	fleet   *fleet
	limiter *ratelimit.Limiter
	stop    context.CancelFunc

	mu      sync.Mutex
	skew    time.Duration
	frozen  time.Time // until when the process is frozen
	crashed bool
	steps   int // of the clock
	calls   int
}

type options struct {
	limit   int
	workers int
	skew    time.Duration
	command bool
}

func (f *fleet) start(ctx context.Context, o options) *process {
	p := &process{fleet: f, skew: o.skew}
	ctx, p.stop = context.WithCancel(ctx)
	p.limiter = ratelimit.New(ratelimit.Config{Store: link{p}, Now: p.now, RequestsPerMinute: o.limit, Jitter: jitter, Command: o.command})
	f.group.Go(func() { p.limiter.Run(ctx) })
	for range o.workers {
		f.group.Go(func() {
			for ctx.Err() == nil {
				p.call(ctx)
			}
		})
	}
	return p
}

func (p *process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// now is the process's clock. It waits while the process is frozen.
func (p *process) now() time.Time {
	p.stall()
	var skew time.Duration
	p.set(func() { skew = p.skew })
	return time.Now().Add(skew)
}

// stall waits while the process is frozen.
func (p *process) stall() {
	var until time.Time
	p.set(func() { until = p.frozen })
	time.Sleep(time.Until(until))
}

// freeze stops the process, as a suspended machine does.
func (p *process) freeze(span time.Duration) { p.set(func() { p.frozen = time.Now().Add(span) }) }

// crash ends the process at once: what it sent before has its effect.
func (p *process) crash() {
	p.set(func() { p.crashed = true })
	p.stop()
}

func (p *process) dead() (dead bool) {
	p.set(func() { dead = p.crashed })
	return dead
}

// gather lets callers wait for 3 s before a window that calls crowd into, so that the bucket is
// full when the first call is granted that can arrive in it. It returns how long a caller may
// wait for a permit.
func (f *fleet) gather() (patience time.Duration) {
	const quiet = 3 * time.Second
	for {
		patience = time.Hour
		f.set(func() {
			if f.crowd > 0 {
				patience = f.crowd - (time.Since(f.began)+ratelimit.Life+jitter+f.slow)%f.crowd - quiet
			}
		})
		if patience > 0 {
			return patience
		}
		time.Sleep(quiet + patience)
	}
}

// step sets the process's clock forward or back.
func (p *process) step(by time.Duration) {
	p.set(func() {
		p.skew += by
		p.steps++
	})
}

// call makes one call, as soon as it is permitted or as late as the crowd wants.
func (p *process) call(ctx context.Context) {
	f := p.fleet
	acquiring, cancel := context.WithTimeout(ctx, f.gather())
	defer cancel()
	var steps int
	p.set(func() { steps = p.steps })
	permit, err := p.limiter.Acquire(acquiring)
	if err != nil {
		return
	}
	var spendIn, arriveIn, took time.Duration
	var skew time.Duration
	p.set(func() { skew = p.skew })
	f.set(func() {
		took = f.took/2 + time.Duration(f.random.Int64N(int64(f.took)))
		now := time.Now()
		if f.crowd > 0 {
			until := f.crowd - now.Sub(f.began)%f.crowd
			left := max(ratelimit.Life-now.Add(skew).Sub(permit.Started()), 0)
			if until <= left+jitter {
				spendIn = min(until, left)
				arriveIn = until - spendIn
			}
		} else if f.random.IntN(100) == 0 {
			arriveIn = jitter
		}
	})
	time.Sleep(spendIn)
	p.stall()
	var stepped bool // a real permit has a monotonic clock, which is not set back
	p.set(func() { stepped = p.steps != steps })
	if stepped || p.dead() || permit.Spend() != nil {
		return
	}
	var refused bool
	f.set(func() {
		f.arrivals = append(f.arrivals, time.Now().Add(arriveIn))
		if refused = time.Now().Before(f.blocked); refused {
			f.refused++
		}
	})
	p.set(func() { p.calls++ })
	time.Sleep(arriveIn + took)
	if refused {
		p.limiter.Pause(permit, 0)
	}
}

var errStore = errors.New("the store does not answer")

// link is a process's connection to the store.
type link struct{ p *process }

func access[T any](ctx context.Context, l link, call func() T) (result T, err error) {
	f := l.p.fleet
	there, back := 2*time.Millisecond+f.upTo(3*time.Millisecond), 2*time.Millisecond+f.upTo(3*time.Millisecond)
	var fails, dropped bool
	f.set(func() {
		back += f.slow
		fails = f.random.IntN(100) < f.faults
		dropped = time.Now().Before(f.outage)
		if fails && f.random.IntN(2) == 0 { // the request is slow and the caller gives up before
			there += time.Duration(f.random.Int64N(int64(2 * time.Second)))
		}
	})
	reply := make(chan T, 1)
	f.group.Go(func() {
		time.Sleep(there)
		l.p.stall()
		if dropped || l.p.dead() {
			return
		}
		done := call()
		time.Sleep(back)
		if !fails {
			reply <- done
		}
	})
	var timeout <-chan time.Time
	if fails || dropped {
		timeout = time.After(20 * time.Millisecond)
	}
	select {
	case result = <-reply:
		return result, nil
	case <-timeout:
		return result, errStore
	case <-ctx.Done():
		return result, ctx.Err()
	}
}

type written struct {
	found   ratelimit.State
	applied bool
}

func (l link) Read(ctx context.Context) (ratelimit.State, error) {
	return access(ctx, l, func() ratelimit.State {
		found, _ := l.p.fleet.store.Read(ctx)
		return found
	})
}

func (l link) Grant(ctx context.Context, grant ratelimit.Grant) (ratelimit.State, bool, error) {
	w, err := access(ctx, l, func() (w written) {
		w.found, w.applied, _ = l.p.fleet.store.Grant(ctx, grant)
		return w
	})
	return w.found, w.applied, err
}

func (l link) SetControl(ctx context.Context, read, control ratelimit.Control) (ratelimit.State, bool, error) {
	w, err := access(ctx, l, func() (w written) {
		w.found, w.applied, _ = l.p.fleet.store.SetControl(ctx, read, control)
		return w
	})
	return w.found, w.applied, err
}

// TestLimiter_Utilisation compares the part of the limit that saturated fleets use with what
// the design promises.
func TestLimiter_Utilisation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                      string
		limit, processes, workers int
		skew, killEvery           time.Duration
		faults                    int
		mean                      float64 // percent
	}{
		{name: "3500, 1 process", limit: 3500, processes: 1, workers: 40, mean: 96.8},
		{name: "3500, 4 processes", limit: 3500, processes: 4, workers: 20, mean: 96.8},
		{name: "3500, 50 processes", limit: 3500, processes: 50, workers: 3, mean: 96.8},
		{name: "1000, 4 processes", limit: 1000, processes: 4, workers: 10, mean: 96.8},
		{name: "150, 1 process", limit: 150, processes: 1, workers: 10, mean: 96.2},
		{name: "150, 4 processes", limit: 150, processes: 4, workers: 10, mean: 96.2},
		{name: "150, 20 processes", limit: 150, processes: 20, workers: 2, mean: 96.2},
		{name: "150, 50 processes", limit: 150, processes: 50, workers: 2, mean: 96.2},
		{name: "600, skew", limit: 600, processes: 4, workers: 10, skew: 30 * time.Second, mean: 96.8},
		{name: "3500, skew, kills", limit: 3500, processes: 4, workers: 20, skew: 30 * time.Second, killEvery: 20 * time.Second, mean: 96.8},
		{name: "600, skew, kills, lost replies", limit: 600, processes: 8, workers: 5, skew: 30 * time.Second, killEvery: 15 * time.Second, faults: 2, mean: 95.2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			length := 3 * time.Minute
			if test.processes == 50 {
				length = time.Minute // they take as long as all other fleets
			}
			var processes []*process
			f := run(t, 1, func(ctx context.Context, f *fleet) {
				f.faults = test.faults
				launch := func() *process {
					return f.start(ctx, options{limit: test.limit, workers: test.workers, skew: f.upTo(2*test.skew) - test.skew})
				}
				for range test.processes {
					processes = append(processes, launch())
					time.Sleep(7 * time.Millisecond)
				}
				for time.Since(f.began) < time.Minute+length {
					if test.killEvery == 0 {
						time.Sleep(time.Minute)
						continue
					}
					time.Sleep(test.killEvery)
					i := int(f.upTo(time.Duration(len(processes))))
					processes[i].crash()
					processes[i] = launch()
				}
			})
			f.checkMost(test.limit)
			percent := func(calls int) float64 { return float64(calls) * 100 / float64(test.limit) }
			mean := percent(f.between(time.Minute, time.Minute+length)) / length.Minutes()
			least := 100.0
			for from := time.Minute; from <= length; from += time.Minute {
				least = min(least, percent(f.between(from, from+time.Minute)))
			}
			if mean < test.mean-1 {
				t.Errorf("%.1f %% of the limit were used, want %.1f", mean, test.mean)
			}
			t.Logf("%-32s mean %.1f %%, least minute %.1f %%, most %.1f %%, writes %.0f/s", test.name, mean, least,
				percent(f.most(0)), float64(f.store.Writes())/(time.Minute+length).Seconds())
		})
	}
}

// TestLimiter_EqualShares checks that equal processes that saturate the limit make about
// equally many calls.
func TestLimiter_EqualShares(t *testing.T) {
	t.Parallel()
	for _, test := range []options{
		{limit: 150, workers: 10},
		{limit: 600, workers: 10, skew: 30 * time.Second},
		{limit: 1000, workers: 10},
	} {
		var processes []*process
		f := run(t, 1, func(ctx context.Context, f *fleet) {
			for range 4 {
				o := test
				o.skew = f.upTo(2*test.skew+1) - test.skew
				processes = append(processes, f.start(ctx, o))
			}
			time.Sleep(15 * time.Minute)
		})
		var calls []int
		for _, p := range processes {
			calls = append(calls, p.calls)
		}
		share := f.calls() / len(processes)
		if slices.Min(calls) < share*85/100 || slices.Max(calls) > share*115/100 {
			t.Errorf("%d a minute: equal processes made %d calls", test.limit, calls)
		}
		t.Logf("%d a minute: %d calls", test.limit, calls)
	}
}

// TestLimiter_CommandWaits checks that consumers that saturate the limit keep a command
// waiting no longer than 5 s.
func TestLimiter_CommandWaits(t *testing.T) {
	t.Parallel()
	for _, test := range []options{
		{limit: 150, workers: 2},
		{limit: 1000, workers: 4},
		{limit: 3500, workers: 4},
	} {
		const processes, commands = 20, 60
		var longest time.Duration
		f := run(t, 1, func(ctx context.Context, f *fleet) {
			for range processes {
				f.start(ctx, test)
			}
			time.Sleep(90 * time.Second)
			for range commands {
				time.Sleep(f.upTo(5 * time.Second))
				command := f.start(ctx, options{limit: test.limit, skew: f.upTo(time.Minute) - 30*time.Second, command: true})
				asked := time.Now()
				if _, err := command.limiter.Acquire(ctx); err != nil {
					t.Error(err)
				}
				longest = max(longest, time.Since(asked))
				command.stop()
			}
		})
		if longest > 5*time.Second {
			t.Errorf("%d a minute: a command waited %s", test.limit, longest)
		}
		t.Logf("%d a minute: longest wait of a command %s, %d arrivals", test.limit, longest, len(f.arrivals))
	}
}

// TestLimiter_WindowHolds checks random fleets with crashes, frozen processes, lost
// updates and replies, outages of the store and foreign calls, while calls crowd into windows as much as permits and jitter allow.
func TestLimiter_WindowHolds(t *testing.T) {
	t.Parallel()
	limits := []int{20, 60, 150, 600, 1000}
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 2))
		limit := limits[random.IntN(len(limits))]
		f := run(t, seed, func(ctx context.Context, f *fleet) {
			f.crowd, f.faults = 71*time.Second, random.IntN(4)
			o := options{limit: limit, workers: 2 + random.IntN(2*limit/60+1)}
			var processes []*process
			for range 1 + random.IntN(5) {
				processes = append(processes, f.start(ctx, o))
			}
			for time.Since(f.began) < 6*time.Minute {
				time.Sleep(time.Duration(random.Int64N(int64(15 * time.Second))))
				i := random.IntN(len(processes))
				switch p := processes[i]; random.IntN(8) {
				case 0:
					p.crash()
					processes[i] = f.start(ctx, o)
				case 1:
					p.stop()
					processes[i] = f.start(ctx, o)
				case 2, 3:
					p.freeze(time.Duration(random.Int64N(int64(5 * time.Second))))
				case 4:
					f.set(func() { f.outage = time.Now().Add(time.Duration(random.Int64N(int64(5 * time.Second)))) })
				case 5:
					if random.IntN(4) == 0 {
						f.set(func() { f.blocked = time.Now().Add(time.Second) })
					}
				}
			}
		})
		f.checkMost(limit)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestLimiter_WindowIsUsed checks that the calls of the tests crowd as much as possible: the
// bound of the window is not only kept but reached.
func TestLimiter_WindowIsUsed(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{150, 600, 2000} {
		f := run(t, 1, func(ctx context.Context, f *fleet) {
			f.crowd, f.took = 71*time.Second, 20*time.Millisecond
			for range 8 {
				f.start(ctx, options{limit: limit, workers: 1 + limit/100})
			}
			f.start(ctx, options{limit: limit, workers: 1, command: true})
			time.Sleep(4 * time.Minute)
		})
		f.checkMost(limit)
		if most := f.most(0); most < limit-1-limit/200 {
			t.Errorf("%d arrivals within 60 s, want nearly %d", most, limit)
		}
		t.Logf("%d a minute: most %d", limit, f.most(0))
	}
}

// TestLimiter_WrongClocks checks fleets whose clocks differ by up to 60 s and are set forward
// and back: each clock that gets ahead of all others allows one burst, once.
func TestLimiter_WrongClocks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 3))
		limit := []int{150, 600, 1000}[random.IntN(3)]
		ahead, leaders := -time.Hour, 0
		set := func(skew time.Duration) time.Duration {
			if skew > ahead {
				ahead = skew
				leaders++
			}
			return skew
		}
		upTo30 := func() time.Duration { return time.Duration(random.Int64N(int64(time.Minute))) - 30*time.Second }
		f := run(t, seed, func(ctx context.Context, f *fleet) {
			f.crowd, f.faults = 71*time.Second, 2
			var processes []*process
			for range 4 {
				processes = append(processes, f.start(ctx, options{limit: limit, workers: 5, skew: set(upTo30())}))
			}
			for time.Since(f.began) < 5*time.Minute {
				time.Sleep(time.Duration(random.Int64N(int64(20 * time.Second))))
				i := random.IntN(len(processes))
				switch random.IntN(3) {
				case 0:
					processes[i].crash()
					processes[i] = f.start(ctx, options{limit: limit, workers: 5, skew: set(upTo30())})
				case 1:
					by := upTo30()
					set(processes[i].skew + by)
					processes[i].step(by)
				}
			}
		})
		f.checkMost(limit + (leaders-1)*max(3, limit/124))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestLimiter_ItemDeleted checks that a deleted item allows one burst more.
func TestLimiter_ItemDeleted(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{150, 1000} {
		burst := max(3, limit/124)
		f := run(t, 1, func(ctx context.Context, f *fleet) {
			f.crowd, f.took = 71*time.Second, 20*time.Millisecond
			for range 8 {
				f.start(ctx, options{limit: limit, workers: 1 + limit/100})
			}
			f.start(ctx, options{limit: limit, workers: 1, command: true})
			for range 4 {
				time.Sleep(71 * time.Second)
				time.Sleep(f.upTo(30 * time.Second))
				f.store.Delete()
				time.Sleep(f.crowd - time.Since(f.began)%f.crowd)
			}
		})
		f.checkMost(limit + burst)
		t.Logf("%d a minute: most %d", limit, f.most(0))
	}
}

// TestLimiter_LimitChanges checks the deployment of another limit, process by process.
func TestLimiter_LimitChanges(t *testing.T) {
	t.Parallel()
	for _, change := range [][2]int{{150, 1000}, {1000, 150}, {20, 1000}, {1000, 20}, {600, 700}} {
		from, to := change[0], change[1]
		f := run(t, 1, func(ctx context.Context, f *fleet) {
			f.crowd, f.took = 71*time.Second, 20*time.Millisecond
			var processes []*process
			for range 4 {
				processes = append(processes, f.start(ctx, options{limit: from, workers: 8}))
			}
			for i := range processes {
				time.Sleep(80 * time.Second)
				processes[i].stop()
				f.start(ctx, options{limit: to, workers: 8})
			}
			time.Sleep(3 * time.Minute)
		})
		f.checkMost(max(from, to) + 1)
		last := f.arrivals[len(f.arrivals)-1].Sub(f.began)
		if used := f.between(last-time.Minute, last); used > to || used < to*70/100 {
			t.Errorf("from %d to %d: %d calls in the last minute", from, to, used)
		}
	}
}
