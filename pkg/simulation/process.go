package simulation

import (
	"errors"
	"strconv"
	"sync"
	"time"
)

// errGone is what a process that has crashed gets from every call.
var errGone = errors.New("simulation: the process is gone")

// process is one process on the network: a pod, or a program on somebody's desk.
type process struct {
	world *world
	name  string
	skew  time.Duration // of its clock
	frail bool          // it may crash and stand still

	crashed chan struct{} // closed when it crashes
	once    sync.Once

	mu    sync.Mutex
	wakes time.Time      // until then it stands still
	calls map[string]int // calls so far, by what they are about
}

func (w *world) process(name string) *process {
	return &process{world: w, name: name, crashed: make(chan struct{}), calls: map[string]int{}}
}

// now is the process's clock. A process that stands still reads it when it goes on.
func (p *process) now() time.Time {
	now := time.Now()
	if wakes := p.standsUntil(); wakes.After(now) {
		now = wakes
	}
	return now.Add(p.skew)
}

func (p *process) standsUntil() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wakes
}

// crash ends the process: it reaches nobody anymore, and nothing reaches it. What it
// has sent is on its way.
func (p *process) crash() {
	p.once.Do(func() {
		p.world.timeline.notef(p.name, "CRASHES")
		close(p.crashed)
	})
}

func (p *process) dead() bool {
	select {
	case <-p.crashed:
		return true
	default:
		return false
	}
}

// standStill stops the process for a while: a virtual machine that is moved, a host
// that swaps, a debugger.
func (p *process) standStill(wait time.Duration) {
	p.world.timeline.notef(p.name, "stands still for %s", wait.Round(time.Millisecond))
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(wait); until.After(p.wakes) {
		p.wakes = until
	}
}

// stood tells whether the process ever stood still.
func (p *process) stood() bool { return !p.standsUntil().IsZero() }

// awake returns when the process does not stand still, or crashed. Who waited goes on
// in an order that is drawn by what they wait to do.
func (p *process) awake(to string) {
	for stood := false; !p.dead(); stood = true {
		wait := time.Until(p.standsUntil())
		if wait <= 0 {
			if stood {
				random := p.world.dice.of("awake", p.name, to, strconv.Itoa(p.next("awake "+to)))
				time.Sleep(between(random, 0, time.Millisecond))
			}
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.crashed:
			timer.Stop()
		}
	}
}

// next counts a call.
func (p *process) next(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[call]++
	return p.calls[call]
}
